"""`polypod plugin`: built-in plugins as ordinary CNI executables."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from polypod.cli.main import PLUGIN_NAMES
from polypod.store import files


@click.command("plugin")
@click.argument("type_", metavar="TYPE", required=False)
@click.option("--links", type=click.Path(path_type=Path), help="make DIR/TYPE executables")
def plugin(type_: str | None, links: Path | None) -> None:
    """Be the CNI executable of TYPE (environment and stdin as CNI asks), or make links."""
    if links is not None:
        links.mkdir(parents=True, exist_ok=True)
        for name in sorted(PLUGIN_NAMES):
            click.echo(_script(links / name, name))
        return
    known = ", ".join(sorted(PLUGIN_NAMES))
    raise click.UsageError(
        f"there is no plugin {type_!r}; known: {known}" if type_ else f"TYPE is one of: {known}"
    )


def _script(path: Path, name: str) -> str:
    """Place an executable that runs this Python as that plugin; foreign files stay."""
    mark = b"# polypod plugin"
    if path.exists() and mark not in path.read_bytes()[:4096]:
        return f"{path} (kept: it is not ours)"
    text = (
        f"#!{sys.executable} -S\n{mark.decode()}\nimport sys\n"
        f"sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        f"from polypod.cli.plugin import main\nraise SystemExit(main({name!r}))\n"
    )
    files.write_atomically(path, text.encode(), mode=0o755)
    return str(path)
