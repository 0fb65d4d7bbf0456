"""`polypod plugin`: built-in plugins as ordinary CNI executables, and links under their names."""

from __future__ import annotations

import difflib
import os
import sys
from pathlib import Path

import click

from polypod.cli.names import PLUGIN_NAMES
from polypod.cli.options import examples
from polypod.errors import StorageError
from polypod.store import files

MARK = b"# polypod plugin"
_MAX_INTERPRETER = 120
"""Kernels before 5.1 cut the first line of a script at 127 bytes."""


@click.command(
    "plugin",
    short_help="Be a plugin's executable, or make links.",
    epilog=examples(
        "polypod plugin --links /opt/polypod/bin",
        "CNI_COMMAND=VERSION polypod plugin bridge",
    ),
)
@click.argument("type_", metavar="TYPE", required=False)
@click.option(
    "--links",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Make DIR/TYPE for every type, executables that need no daemon.",
)
def plugin(type_: str | None, links: Path | None) -> None:
    """Be the CNI executable of TYPE (environment and stdin as CNI asks), or make links.

    With --links, a file that is not ours is kept, and named.
    """
    if links is not None and type_ is None:
        for path in _make_links(links):
            click.echo(path)
        return
    known = ", ".join(sorted(PLUGIN_NAMES))
    if type_ is None:
        raise click.UsageError(f"TYPE is one of: {known}")
    if type_ in PLUGIN_NAMES:
        raise click.UsageError(f"give {type_} alone, or --links alone")
    near = difflib.get_close_matches(type_, PLUGIN_NAMES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {known}"
    raise click.UsageError(f"there is no plugin {type_!r}; {hint}")


def _make_links(folder: Path) -> list[str]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return [_script(folder / name, name) for name in sorted(PLUGIN_NAMES)]
    except OSError as error:
        raise StorageError(
            f"{error.strerror}: {error.filename}", hint="name another DIR"
        ) from error


def _script(path: Path, name: str) -> str:
    """Place an executable that runs this Python as that plugin; foreign files stay."""
    if not _is_ours(path):
        return f"{path} (kept: it is not ours)"
    text = (
        f"{_start()}\n{MARK.decode()}\nimport sys\n"
        f"sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        f"from polypod.cli.plugin import main\nraise SystemExit(main({name!r}))\n"
    )
    files.write_atomically(path, text.encode(), mode=0o755)
    return str(path)


def _is_ours(path: Path) -> bool:
    """Tell whether a path is free or holds a script of ours; a link is somebody's intent."""
    if not os.path.lexists(path):
        return True
    return path.is_file() and not path.is_symlink() and MARK in path.read_bytes()[:4096]


def _start() -> str:
    """Return the first lines: this Python without site; by way of sh where #! cannot name it."""
    python = sys.executable
    if " " not in python and len(python) < _MAX_INTERPRETER:
        return f"#!{python} -S"
    quoted = python.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f"#!/bin/sh\n'''exec' \"{quoted}\" -S \"$0\" \"$@\"\n' '''"
