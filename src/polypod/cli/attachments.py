"""`polypod add|del|check|status|gc`: the CNI verbs by hand, for any network namespace.

As cnitool does for configuration files, but for pods, definitions and annotations too.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence

import click

from polypod.cli import carry, made, offline, ps, target, wanted
from polypod.cli.carry import HandCall
from polypod.cli.made import Filter
from polypod.cli.options import Place, examples, with_place
from polypod.cli.wanted import Wanted
from polypod.cni import request as cni_request
from polypod.cni.request import Command
from polypod.engine import by_hand, preview
from polypod.errors import UnknownContainerError

_words = click.argument("words", nargs=-1, required=True, metavar="[[NAMESPACE/]POD] NETNS")
_networks = click.option(
    "-N",
    "--network",
    "networks",
    multiple=True,
    metavar="NETWORK",
    help="[NAMESPACE/]NAME[@INTERFACE] of a definition, an annotation in JSON, or a .conf or"
    " .conflist file; repeatable.",
)
_container = click.option(
    "--container-id", default="", metavar="ID", help="Of the call (default: a new one)."
)


@click.command(
    "add",
    short_help="Attach networks to a network namespace.",
    epilog=examples(
        "polypod add hub /run/netns/hub --manifests examples",
        "polypod add --network lan@lan0 --manifests examples 4711",
        "polypod add --network ./bridge.conflist blue",
        'polypod add --network \'{"name": "lan", "ips": ["10.10.0.70"]}\' blue',
        "polypod add --dry-run hub blue --manifests examples",
    ),
)
@_words
@_networks
@click.option("--dry-run", is_flag=True, help="Print the plan, change nothing.")
@click.option("--ifname", default="eth0", show_default=True, help="The first network's interface.")
@_container
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "cni"]),
    help="A table, the rows of `polypod ps` as JSON, or the CNI result"
    " (default: table on a terminal, else cni).",
)
@with_place
def add(
    place: Place,
    words: tuple[str, ...],
    networks: tuple[str, ...],
    dry_run: bool,  # noqa: FBT001 - click passes flags so
    ifname: str,
    container_id: str,
    output: str | None,
) -> None:
    """Attach the networks of a pod, or those given by --network, to a network namespace.

    NETNS is a path, a name below /run/netns, or a process id.
    """
    pod, netns = _read(words, networks)
    given = _wanted(place, pod, networks)
    call = HandCall(
        command=Command.ADD,
        stdin=given.stdin(),
        container_id=container_id or f"hand-{secrets.token_hex(6)}",
        netns=target.netns(netns, must_exist=not dry_run),
        ifname=ifname,
        arguments=_arguments(pod),
    )
    if dry_run:
        _print_plan(call, place)
        return
    answer = carry.carry(call, place)
    _print_made(call.container_id, answer, place, output or _default_output())


@click.command(
    "del",
    short_help="Take back what add gave a namespace.",
    epilog=examples(
        "polypod del blue",
        "polypod del hub blue",
        "polypod del --network lan blue",
    ),
)
@_words
@_networks
@_container
@with_place
def delete(
    place: Place, words: tuple[str, ...], networks: tuple[str, ...], container_id: str
) -> None:
    """Take back what `add` gave a network namespace: all of it, one pod's, or one network's.

    The namespace may be gone already. What a container runtime attached is left alone, unless
    --container-id names it.
    """
    for found in _find(place, words, networks, container_id):
        _carry(Command.DEL, found, place)


@click.command(
    "check",
    short_help="Compare a namespace with what was attached.",
    epilog=examples(
        "polypod check blue",
        "polypod check hub blue",
    ),
)
@_words
@_networks
@_container
@with_place
def check_(
    place: Place, words: tuple[str, ...], networks: tuple[str, ...], container_id: str
) -> None:
    """Compare a network namespace with what was attached to it, by hand or by a runtime."""
    there = _find(place, words, networks, container_id, only_by_hand=False)
    for found in there:
        _carry(Command.CHECK, found, place)
    if not there:
        raise UnknownContainerError(
            f"nothing is attached to {words[-1]}", hint="`polypod ps` shows what is attached"
        )
    click.echo("ok")


@click.command("status", short_help="Tell whether this node can attach networks.")
@with_place
def status_(place: Place) -> None:
    """Tell whether this node can attach networks now, and who would do it."""
    with carry.owned(place) as is_ours:
        who = f"no daemon owns {place.state}" if is_ours else f"daemon at {place.socket}"
    stdin = Wanted().stdin()
    carry.carry(HandCall(command=Command.STATUS, stdin=stdin), place)
    count = len(made.records(place.state))
    click.echo(f"ready ({who}; {count} interface{'' if count == 1 else 's'} attached)")


@click.command("gc", short_help="Take back what lost its namespace.")
@click.option("--valid", multiple=True, metavar="ID", help="Keep this container's; repeatable.")
@click.option("--dry-run", is_flag=True, help="Print what would go, change nothing.")
@with_place
def gc(place: Place, valid: tuple[str, ...], dry_run: bool) -> None:  # noqa: FBT001 - click
    """Take back attachments made by hand whose network namespace is gone.

    With --valid: all made by hand whose container is not named. A runtime's own are its business.
    """
    stale = [
        record
        for record in made.by_hand(made.records(place.state))
        if record.container_id not in valid and (valid or made.is_gone(record))
    ]
    for record in stale:
        click.echo(f"{record.ifname} of {record.display_name} in {record.netns}")
    containers = {record.container_id: record for record in stale}
    for container_id, record in () if dry_run else containers.items():
        _carry(Command.DEL, (container_id, record.ifname, record.netns), place)


def _carry(command: Command, found: tuple[str, str, str], place: Place) -> None:
    """Carry out a command for what was attached: container, interface and namespace."""
    container_id, ifname, netns = found
    call = HandCall(
        command=command,
        stdin=Wanted().stdin(),
        container_id=container_id,
        netns=netns,
        ifname=ifname,
    )
    carry.carry(call, place)


def _read(
    words: Sequence[str], networks: Sequence[str], *, may_be_all: bool = False
) -> tuple[tuple[str, str] | None, str]:
    """Return the pod, if one is given, and the namespace."""
    if len(words) > 2:
        raise click.UsageError("give [NAMESPACE/]POD and NETNS, or NETNS alone")
    if len(words) == 2 and networks:
        raise click.UsageError("give a pod or --network, not both")
    if len(words) == 1 and not networks and not may_be_all:
        raise click.UsageError("which networks? Give a POD before NETNS, or --network")
    return (target.pod(words[0]) if len(words) == 2 else None), words[-1]


def _wanted(place: Place, pod: tuple[str, str] | None, networks: Sequence[str]) -> Wanted:
    if pod is None:
        return wanted.of_networks(networks, place.manifests)
    return wanted.of_pod(*pod, place.manifests)


def _arguments(pod: tuple[str, str] | None) -> str:
    if pod is None:
        return "IgnoreUnknown=1"
    return f"IgnoreUnknown=1;K8S_POD_NAMESPACE={pod[0]};K8S_POD_NAME={pod[1]}"


def _find(
    place: Place,
    words: Sequence[str],
    networks: Sequence[str],
    container_id: str,
    *,
    only_by_hand: bool = True,
) -> list[tuple[str, str, str]]:
    """Return (container id, interface, namespace) of what the command line means."""
    pod, netns = _read(words, networks, may_be_all=True)
    path = target.netns(netns, must_exist=False)
    found = made.records(place.state)
    if only_by_hand and not container_id:
        found = made.by_hand(found)
    elements = wanted.of_networks(networks, None).elements
    names = tuple(f"{e.get('namespace') or 'default'}/{e.get('name', '')}" for e in elements)
    meant = Filter(netns=path, pod=pod, networks=names, container_id=container_id)
    return [(container, ifname, path) for container, ifname in made.containers(found, meant)]


def _print_plan(call: HandCall, place: Place) -> None:
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": call.container_id,
        "CNI_NETNS": call.netns,
        "CNI_IFNAME": call.ifname,
        "CNI_ARGS": call.arguments,
        "CNI_PATH": ":".join(place.path) or "/",
    }
    request = cni_request.parse(environment, call.stdin)
    doors = by_hand.widen(request, offline.looking(place))
    told = dict(part.split("=", 1) for part in call.arguments.split(";"))
    name = told.get("K8S_POD_NAME", "")
    pod = doors.source.pod(told["K8S_POD_NAMESPACE"], name) if name else None
    for line in preview.attachments(request, pod, doors):
        click.echo(line.removeprefix("  "))


def _default_output() -> str:
    return "table" if sys.stdout.isatty() else "cni"


def _print_made(container_id: str, answer: bytes, place: Place, output: str) -> None:
    if output == "cni":
        click.echo(answer.decode())
        return
    found = [r for r in made.records(place.state) if r.container_id == container_id]
    ps.show([ps.row(record) for record in found], output)


VERBS = (add, delete, check_, status_, gc)
