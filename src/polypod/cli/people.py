"""The verbs for people, as one click group; each is a file of its own.

Exit status: 0 done, 1 refused (one line says why, another what to do), 2 wrong usage; a verb that
judges says in its help what its own mean.
"""

from __future__ import annotations

import sys
from typing import cast

import click

from polypod.cli import (
    attachments,
    completion,
    explain,
    install,
    migrate,
    plugins,
    ps,
    uninstall,
    version,
)
from polypod.cli.suggest import Verbs
from polypod.errors import PolypodError

HELP = {"help_option_names": ["-h", "--help"]}
REFUSED, INTERRUPTED, CLOSED_PIPE = 1, 130, 141


@click.group(
    cls=Verbs,
    context_settings=HELP,
    epilog="Exit status: 0 done, 1 refused, 2 wrong usage. `polypod VERB -h` has examples.",
)
@click.version_option(version.number(), prog_name="polypod")
def polypod() -> None:
    """Give Kubernetes pods more than one network."""


@polypod.command("daemon", add_help_option=False)
def daemon() -> None:
    """Serve this node's pods (see `polypod daemon --help`)."""


for verb in (
    *attachments.VERBS,
    ps.ps,
    explain.explain,
    install.install,
    migrate.migrate,
    uninstall.uninstall,
    plugins.plugin,
    completion.completion,
    version.version,
):
    verb.context_settings.update(HELP)  # also where a verb is looked at without its group
    polypod.add_command(verb)


def main(words: list[str]) -> int:
    """Run a verb and return the exit code; errors are one line and a hint."""
    try:
        code = cast("object", polypod.main(args=words, prog_name="polypod", standalone_mode=False))
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except PolypodError as error:
        _tell(error)
        return REFUSED
    except BrokenPipeError:
        sys.stderr.close()
        return CLOSED_PIPE
    except OSError as error:
        click.echo(f"polypod: {error.strerror or error}: {error.filename or ''}", err=True)
        return REFUSED
    return code if isinstance(code, int) else 0  # click returns what a verb gave to exit()


def _tell(error: PolypodError) -> None:
    slug = f" [{error.slug}]" if error.slug else ""
    click.echo(f"polypod: {error.cause}{slug}", err=True)
    if error.hint:
        click.echo(f"  hint: {error.hint}", err=True)
    for note in getattr(error, "__notes__", ()):
        click.echo(f"  also: {note}", err=True)
