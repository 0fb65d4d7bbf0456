"""`polypod completion SHELL`: the script with which a shell completes verbs and options."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

from polypod.cli.options import examples

VARIABLE = "_POLYPOD_COMPLETE"


@click.command(
    "completion",
    epilog=examples(
        "source <(polypod completion bash)",
        "polypod completion zsh > ~/.zfunc/_polypod",
        "polypod completion fish > ~/.config/fish/completions/polypod.fish",
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for a shell."""
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"click cannot complete for {shell}")
    complete = found(context.find_root().command, {}, "polypod", VARIABLE)
    # Of the base class: bash's own starts bash, to look at its version.
    click.echo(ShellComplete.source(complete))
