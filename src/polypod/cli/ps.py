"""`polypod ps`: what is attached, since when, with which addresses."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import click

from polypod.cni import fields, versions
from polypod.plan.record import Record
from polypod.store.journal import SqliteJournal


@click.command("ps")
@click.option("--state", type=click.Path(path_type=Path), default=Path("/var/lib/polypod"))
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table")
def ps(state: Path, output: str) -> None:
    """List the attachments of this node."""
    journal = state / "journal.db"
    found = SqliteJournal(journal, read_only=True).all() if journal.exists() else ()
    rows = [row(record) for record in found]
    if output == "json":
        click.echo(json.dumps(rows, indent=2))
    elif not rows:
        click.echo("nothing is attached")
    else:
        _table(rows)


def row(record: Record) -> dict[str, object]:
    """Return what people and programs want to know of one attachment."""
    addresses: list[str] = []
    if record.result:
        result = versions.parse(fields.decode_object(record.result, "journal"), "1.1.0")
        addresses = [str(ip.address) for ip in result.ips]
    since = datetime.fromtimestamp(record.created, UTC)
    return {
        "namespace": record.pod_namespace,
        "pod": record.pod_name,
        "interface": record.ifname,
        "network": record.display_name,
        "addresses": addresses,
        "since": since.isoformat(timespec="seconds"),
        "milliseconds": round(record.duration_s * 1000, 1),
        "containerID": record.container_id,
        "netns": record.netns,
        "state": "attached" if record.result else "unfinished",
    }


def _table(rows: list[dict[str, object]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("POD", "INTERFACE", "NETWORK", "ADDRESSES", "SINCE", "MS", "STATE"):
        table.add_column(title, overflow="fold")
    for entry in rows:
        addresses = cast("list[str]", entry["addresses"])
        table.add_row(
            f"{entry['namespace']}/{entry['pod']}",
            str(entry["interface"]),
            str(entry["network"]),
            ", ".join(addresses),
            str(entry["since"]),
            str(entry["milliseconds"]),
            str(entry["state"]),
        )
    Console().print(table)
