"""`polypod install shim`: places the shim, and links by plugin name."""

from __future__ import annotations

from pathlib import Path

import click

from polypod.install import place


@click.group("install")
def install() -> None:
    """Place Polypod's files on a node."""


@install.command("shim")
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--links", is_flag=True, help="also make bridge, macvlan, host-local, ... here")
def shim(directory: Path, links: bool) -> None:  # noqa: FBT001 - click passes flags so
    """Place DIRECTORY/polypod atomically; a file that is there already is kept if it is equal."""
    for path in place.install_shim(directory, links=links):
        click.echo(str(path))
