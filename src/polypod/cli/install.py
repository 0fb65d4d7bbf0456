"""`polypod install`: what it places on a node, a verb each."""

from __future__ import annotations

import click

from polypod.cli import render, shim, talos


@click.group("install")
def install() -> None:
    """Place Polypod's files on a node, or render what a cluster applies."""


install.add_command(render.render_)
install.add_command(shim.install_shim)
install.add_command(talos.talos_config)
