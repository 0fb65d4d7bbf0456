"""`polypod ps`: what is attached, since when, with which addresses."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import click

from polypod.cli import made, target
from polypod.cli.options import examples, output_option, state_option
from polypod.cni import fields, versions
from polypod.plan.record import Record

_STEPS = ((86400, "d"), (3600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One attachment, as people and programs read it; the names are those of the JSON form."""

    namespace: str
    pod: str
    interface: str
    network: str
    addresses: list[str]
    mac: str
    since: str
    milliseconds: float
    containerID: str  # noqa: N815 - CNI's own spelling
    netns: str
    state: str


@click.command(
    "ps",
    short_help="List what is attached.",
    epilog=examples(
        "polypod ps",
        "polypod ps -w default/hub",
        "polypod ps -o json",
    ),
)
@click.argument("pod", required=False, metavar="[[NAMESPACE/]POD]")
@state_option
@output_option
@click.option(
    "-w",
    "--wide",
    is_flag=True,
    help="Also MAC, ms from the start of its ADD, container and namespace.",
)
def ps(pod: str | None, state: Path, output: str, wide: bool) -> None:  # noqa: FBT001 - click
    """List what is attached on this node, or to one pod."""
    found = made.records(state)
    if pod is not None:
        name = target.pod(pod)
        found = tuple(r for r in found if (r.pod_namespace, r.pod_name) == name)
    rows = [row(record) for record in found]
    if not rows and output == "table":
        click.echo("nothing is attached")
        return
    show(rows, output, wide=wide)


def row(record: Record) -> Row:
    """Return what people and programs want to know of one attachment."""
    addresses: list[str] = []
    mac = ""
    if record.result:
        result = versions.parse(fields.decode_object(record.result, "journal"), "1.1.0")
        addresses = [str(ip.address) for ip in result.ips]
        mac = next((link.mac for link in result.interfaces if link.sandbox), "")
    return Row(
        namespace=record.pod_namespace,
        pod=record.pod_name,
        interface=record.ifname,
        network=record.display_name,
        addresses=addresses,
        mac=mac,
        since=datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds"),
        milliseconds=round(record.duration_s * 1000, 1),
        containerID=record.container_id,
        netns=record.netns,
        state="attached" if record.result else "unfinished",
    )


def show(rows: Sequence[Row], output: str, *, wide: bool = False) -> None:
    """Print rows, for people or for programs."""
    if output == "json":
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    titles = ["POD", "INTERFACE", "NETWORK", "ADDRESSES", "SINCE"]
    for title in [*titles, *(["MAC", "MS", "CONTAINER", "NETNS"] if wide else [])]:
        table.add_column(title, overflow="fold")
    for entry in rows:
        more = [entry.mac, str(entry.milliseconds), entry.containerID, entry.netns]
        table.add_row(*_cells(entry), *(more if wide else []))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=1000)  # a pipe has no edge to fold at
    console.print(table)


def _cells(entry: Row) -> list[str]:
    age = time.time() - datetime.fromisoformat(entry.since).timestamp()
    return [
        f"{entry.namespace}/{entry.pod}" if entry.pod else "-",
        entry.interface,
        entry.network,
        ", ".join(entry.addresses) or "-",
        ago(age) if entry.state == "attached" else entry.state,
    ]


def ago(seconds: float) -> str:
    """Return an age in words."""
    for size, unit in _STEPS:
        if seconds >= size:
            return f"{int(seconds // size)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"
