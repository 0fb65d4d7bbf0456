"""`polypod uninstall`: repairs a node whose agent went without taking its files along."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from polypod.cli import carry, made, offline, shim
from polypod.cli.options import FILE, FOLDER, Place, examples
from polypod.daemon.options import SOCKET, STATE
from polypod.engine import clear
from polypod.errors import ConflictError, InvalidConfigError, PolypodError
from polypod.install import leaving
from polypod.install import uninstall as manifests
from polypod.install.leaving import Folders, Found
from polypod.install.platforms import PLATFORMS
from polypod.install.values import Values
from polypod.plan.record import Record
from polypod.store.multus_cache import RUNTIME_RESULTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What was asked for."""

    folders: Folders
    data_root: Path | None
    runtime: Path | None
    detach: bool
    purge: bool
    unless_used: bool
    dry_run: bool


_platform = click.option(
    "--platform",
    type=click.Choice(sorted(PLATFORMS)),
    default="kubeadm",
    show_default=True,
    help="Where the node's folders are.",
)
_shim_dir = click.option("--shim-dir", help="Where the runtime looks for plugins, if elsewhere.")
_conf_dir = click.option("--conf-dir", help="Where its configuration lies, if elsewhere.")


@click.group(
    "uninstall",
    invoke_without_command=True,
    short_help="Take Polypod off a node.",
    epilog=examples(
        "polypod uninstall --dry-run",
        "polypod uninstall --detach --purge",
        "polypod uninstall --root /host --platform k3s",
        "polypod uninstall render | kubectl apply -f -",
    ),
)
@_platform
@_conf_dir
@_shim_dir
@click.option("--state", type=FOLDER, default=STATE, show_default=True, help="The state folder.")
@click.option("--data-root", type=FOLDER, help="Where the daemon kept leases, if elsewhere.")
@click.option("--socket", type=FILE, default=SOCKET, show_default=True, help="Its socket.")
@click.option(
    "--root",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default="/",
    show_default=True,
    help="The node's root, as a debugging pod sees it: /host.",
)
@click.option(
    "--runtime-mounts",
    type=FILE,
    metavar="SOCKET",
    help="Run plugins of the host where the runtime at this socket does: for a container.",
)
@click.option("--detach", is_flag=True, help="Take back what is attached, but for first networks.")
@click.option("--purge", is_flag=True, help="Remove the state folder too.")
@click.option(
    "--unless-used",
    is_flag=True,
    help="Fail, and touch nothing, while a pod that runs would lose a network.",
)
@click.option("--dry-run", is_flag=True, help="Print what would go, change nothing.")
@click.pass_context
def uninstall(  # noqa: PLR0913 - one argument an option
    context: click.Context,
    *,
    platform: str,
    conf_dir: str | None,
    shim_dir: str | None,
    state: Path,
    data_root: Path | None,
    socket: Path,
    root: Path,
    runtime_mounts: Path | None,
    detach: bool,
    purge: bool,
    unless_used: bool,
    dry_run: bool,
) -> None:
    """Take Polypod off a node whose agent could not do so itself.

    An agent whose DaemonSet is deleted does this on its own. Only files of ours are removed, told
    by their content: the CNI configuration, also where somebody renamed it, what the runtime kept
    of our answers, the shim and links to it, a socket that is left. The runtime then reads the
    primary's configuration again. Called once more, it finds nothing.
    """
    if context.invoked_subcommand is not None:
        return
    known = PLATFORMS[platform]
    folders = Folders(
        conf=_below(root, conf_dir or known.cni_conf),
        shim=_below(root, shim_dir or known.cni_bin),
        socket=_below(root, str(socket)),
        state=_below(root, str(state)),
        results=_below(root, str(RUNTIME_RESULTS)),
    )
    if detach and root != Path("/"):
        raise InvalidConfigError(
            "--detach enters the pods' namespaces, whose paths are the node's own",
            hint="run it on the node, or apply what `polypod uninstall render` prints",
        )
    _run(
        Wish(
            folders=folders,
            data_root=data_root,
            runtime=runtime_mounts,
            detach=detach,
            purge=purge,
            unless_used=unless_used,
            dry_run=dry_run,
        )
    )


uninstall.add_command(shim.remove_shim)


@uninstall.command("render", short_help="Print a DaemonSet, or a Job, that repairs nodes.")
@_platform
@_conf_dir
@_shim_dir
@click.option("--runtime-socket", help="The runtime's socket, if elsewhere.")
@click.option("--node", default="", help="Repair this node only, by a Job.")
@click.option("--image", help="The agent's image, from a registry that the nodes reach.")
@click.option("--namespace", default="polypod-system", show_default=True)
@click.option("--purge", is_flag=True, help="Remove the state folders too.")
def render_(  # noqa: PLR0913 - one argument an option
    *,
    platform: str,
    conf_dir: str | None,
    shim_dir: str | None,
    runtime_socket: str | None,
    node: str,
    image: str | None,
    namespace: str,
    purge: bool,
) -> None:
    """Print what runs `polypod uninstall --detach` on every node, or on one.

    It needs no pod network and no right at the API server. Delete the agent's DaemonSet first.

    \b
      polypod uninstall render | kubectl apply -f -
      kubectl -n polypod-system rollout status daemonset/polypod-uninstall
      kubectl delete namespace polypod-system
    """  # noqa: D301 - \b is for click
    known = PLATFORMS[platform]
    values = Values(
        platform=replace(
            known,
            cni_bin=shim_dir or known.cni_bin,
            cni_conf=conf_dir or known.cni_conf,
            runtime_socket=runtime_socket or known.runtime_socket,
        ),
        namespace=namespace,
        image=image or Values().image,
    )
    click.echo(manifests.plain(values, node=node, purge=purge), nl=False)


def _run(wish: Wish) -> None:
    records = made.records(wish.folders.state)
    decided = clear.plan(records, made.is_gone)
    with _owned(wish.folders.state) as is_free:
        if not is_free and not wish.dry_run:
            raise ConflictError(
                f"a daemon serves this node: it owns {wish.folders.state} and would write its"
                " files again",
                hint="delete its DaemonSet first, or stop it",
            )
        if wish.purge and not wish.detach and any(decided.going):
            raise ConflictError(
                f"the state folder knows of {_count(records)} that would be forgotten",
                hint="--detach takes them back first",
            )
        if wish.unless_used:
            _check_is_unused(decided)
        _files(leaving.find(wish.folders, with_state=False), wish)
        if wish.detach:
            _detach(decided, wish)
        elif records:
            click.echo(f"left attached: {_count(records)}; --detach takes them back")
        if wish.purge:
            found = leaving.find(wish.folders, with_state=True)
            _files(replace(found, kept=(), next_configuration=""), wish)


def _check_is_unused(decided: clear.Plan) -> None:
    """Refuse to go on while sandboxes live that would lose a network.

    Raises:
        ConflictError: there are such, named.
    """
    used = [records for records in decided.going if not all(made.is_gone(one) for one in records)]
    if used:
        raise ConflictError(
            f"{', '.join(sorted(_who(records[0]) for records in used))} would lose networks",
            hint="end or restart these pods first; without --unless-used they are cut off",
        )


def _owned(state: Path) -> contextlib.AbstractContextManager[bool]:
    """Own the state folder for the length of a block; one that is not there is not made."""
    if not (state / "lock").exists():
        return contextlib.nullcontext(enter_result=True)
    return carry.owned(Place(state=state))


def _files(found: Found, wish: Wish) -> None:
    for path in found.ours:
        click.echo(f"{'would remove' if wish.dry_run else 'removed'} {path}")
    for path in found.kept:
        click.echo(f"kept {path}: it is not ours", err=True)
    if not wish.dry_run:
        leaving.remove(found)
    if found.next_configuration:
        click.echo(f"the runtime reads {found.next_configuration} now")


def _detach(decided: clear.Plan, wish: Wish) -> None:
    for record in (record for records in decided.going for record in records):
        text = "would take back" if wish.dry_run else "took back"
        click.echo(f"{text} {record.ifname} of {_who(record)} ({record.display_name})")
    if decided.going and not wish.dry_run:
        place = Place(state=wish.folders.state, data_root=wish.data_root, runtime=wish.runtime)
        with offline.doors(place) as doors:
            faults = clear.carry_out(decided, doors)
        if faults:
            raise _one(faults)
    for record in decided.staying:
        click.echo(f"left {record.ifname} of {_who(record)}: its first network, the primary's")


def _one(faults: Sequence[PolypodError]) -> PolypodError:
    for other in faults[1:]:
        faults[0].add_note(str(other))
    return faults[0]


def _who(record: Record) -> str:
    pod = f"{record.pod_namespace}/{record.pod_name}" if record.pod_name else ""
    return pod or record.container_id[:12]


def _count(records: Sequence[Record]) -> str:
    pods = {record.container_id for record in records}
    return f"{len(records)} interface{'s'[: len(records) != 1]} of {len(pods)} sandboxes"


def _below(root: Path, path: str) -> Path:
    return root / path.lstrip("/")
