"""`polypod install shim` and `polypod uninstall shim`: the program that the runtime executes."""

from __future__ import annotations

from pathlib import Path

import click

from polypod.install import place

_folder = click.argument("directory", type=click.Path(path_type=Path))


@click.command("shim")
@_folder
@click.option("--links", is_flag=True, help="also make bridge, macvlan, host-local, ... here")
def install_shim(directory: Path, links: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Place DIRECTORY/polypod atomically, while it may be running.

    A file that is equal is kept as it is. With --links, names that belong to others are kept, and
    named.
    """
    _show(place.install_shim(directory, links=links))


@click.command("shim")
@_folder
def remove_shim(directory: Path) -> None:
    """Remove DIRECTORY/polypod and the links to it; what belongs to others stays."""
    _show(place.remove_shim(directory))


def _show(placed: place.Placed) -> None:
    for path in placed.ours:
        click.echo(str(path))
    for path in placed.kept:
        click.echo(f"kept {path}: it belongs to somebody else", err=True)
