"""What the verbs for people share: where a node keeps its things, each with its default.

Environment variables stand in for the options that every call would repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import click

from polypod.daemon.options import SOCKET, STATE

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
PLUGINS = "/opt/cni/bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A node as the command line describes it."""

    state: Path = STATE
    socket: Path = SOCKET
    manifests: Path | None = None
    primary: Path | None = None
    status: Path | None = None
    data_root: Path | None = None
    path: tuple[str, ...] = (PLUGINS,)
    config: Path | None = None
    runtime: Path | None = None
    """The container runtime's socket, where foreign plugins are to run in its mounts."""


state_option = click.option(
    "--state",
    type=FOLDER,
    default=STATE,
    show_default=True,
    envvar="POLYPOD_STATE",
    show_envvar=True,
    help="The folder with the journal.",
)
manifests_option = click.option(
    "--manifests",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    envvar="POLYPOD_MANIFESTS",
    show_envvar=True,
    help="A folder of Pod and NetworkAttachmentDefinition YAML.",
)
primary_option = click.option(
    "--primary", type=FILE, help="The first network's .conf or .conflist; a daemon has its own."
)
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The daemon's file of settings; a running daemon has its own.",
)
output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="For people, or for programs.",
)
_PLACES = (
    state_option,
    click.option(
        "--socket",
        type=FILE,
        default=SOCKET,
        show_default=True,
        envvar="POLYPOD_SOCKET",
        show_envvar=True,
        help="Where the daemon listens, if one owns the state folder.",
    ),
    manifests_option,
    primary_option,
    click.option("--status", type=FOLDER, help="Write network-status files here."),
    click.option("--data-root", type=FOLDER, help="Keep the leases of host-local below this."),
    click.option(
        "--path",
        default=PLUGINS,
        show_default=True,
        help="Where foreign plugins are, colon separated.",
    ),
    config_option,
)


def examples(*lines: str) -> str:
    """Return the end of a help page: commands as they are typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def with_place(verb: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the options that describe a node, as one Place in front of its own arguments."""

    @wraps(verb)
    def run(  # noqa: PLR0913 - one argument an option
        *,
        state: Path,
        socket: Path,
        manifests: Path | None,
        primary: Path | None,
        status: Path | None,
        data_root: Path | None,
        path: str,
        config: Path | None,
        **own: object,
    ) -> None:
        place = Place(
            state=state,
            socket=socket,
            manifests=manifests,
            primary=primary,
            status=status,
            data_root=data_root,
            path=tuple(part for part in path.split(":") if part),
            config=config,
        )
        verb(place, **own)

    found: Callable[..., None] = run
    for option in reversed(_PLACES):
        found = option(found)
    return found
