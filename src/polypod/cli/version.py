"""`polypod version`: what is installed here."""

from __future__ import annotations

import os
import platform
import tomllib
from importlib import metadata
from pathlib import Path

import click

import polypod
from polypod.cni.labels import NEWEST
from polypod.errors import UnsupportedError
from polypod.install import place


def number() -> str:
    """Return Polypod's version: the installed one, or the one a checkout states."""
    try:
        return metadata.version("polypod")
    except metadata.PackageNotFoundError:
        project = Path(polypod.__file__).resolve().parents[2] / "pyproject.toml"
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])


@click.command("version", short_help="Print what is installed here.")
def version() -> None:
    """Print the versions of Polypod, CNI, Python and the kernel, and where the shim is."""
    click.echo(f"polypod {number()}")
    click.echo(f"CNI     up to {NEWEST}")
    click.echo(f"Python  {platform.python_version()}")
    click.echo(f"kernel  {os.uname().release} ({os.uname().machine})")
    click.echo(f"shim    {_shim()}")


def _shim() -> Path | str:
    try:
        return place.shim_binary()
    except UnsupportedError as error:
        return f"none: {error.hint}"
