"""The verbs for people, as one click group; each is a file of its own."""

from __future__ import annotations

import sys

import click

from polypod.cli import attachments, explain, install, plugins, ps
from polypod.errors import PolypodError


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="`polypod daemon --help` and `polypod plugin TYPE` have pages of their own.",
)
@click.version_option(package_name="polypod", prog_name="polypod")
def polypod() -> None:
    """Give Kubernetes pods more than one network."""


@polypod.command("daemon", add_help_option=False)
def daemon() -> None:
    """Serve this node's pods (see `polypod daemon --help`)."""


polypod.add_command(ps.ps)
polypod.add_command(explain.explain)
polypod.add_command(install.install)
polypod.add_command(plugins.plugin)
for verb in attachments.VERBS:
    polypod.add_command(verb)


def main(words: list[str]) -> int:
    """Run a verb and return the exit code; errors are one line and a hint."""
    try:
        polypod.main(args=words, prog_name="polypod", standalone_mode=False)
    except click.exceptions.Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    except PolypodError as error:
        click.echo(f"polypod: {error.cause} [{error.slug}]\n  hint: {error.hint}", err=True)
        for note in getattr(error, "__notes__", ()):
            click.echo(f"  also: {note}", err=True)
        return 1
    except BrokenPipeError:
        sys.stderr.close()
        return 141
    return 0
