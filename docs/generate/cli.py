"""docs/reference/cli.md: every verb with its arguments and options, and the daemon's flags.

The verbs are click commands, the daemon's options argparse; both are asked, not their help texts,
whose layout differs between versions of Python.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import click
from docs.generate.markdown import cell, code, docstring, page, table

from polypod.cli import daemon, people
from polypod.cli.names import PLUGIN_NAMES

LEAD = """
`polypod VERB --help` prints what stands here. A verb that fails prints one line with the cause and
the error's [slug](errors.md), a second with the hint, and ends with 1; wrong usage ends with 2.
`POD` is `NAMESPACE/NAME`, or `NAME` for the namespace `default`; `NETNS` is the path of a network
namespace, for example `/run/netns/blue`.
"""


def verbs() -> Iterator[tuple[str, click.Command]]:
    """Yield every verb with its full name."""
    yield from _below("polypod", people.polypod)


def _below(prefix: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group) or command.invoke_without_command:
        yield prefix, command
    if not isinstance(command, click.Group):
        return
    for name, inner in sorted(command.commands.items()):
        yield from _below(f"{prefix} {name}", inner)


def daemon_rows() -> list[tuple[str, str, str]]:
    """Return the daemon's options: name, default, meaning."""
    return [
        (
            _names(action),
            _argparse_default(action),
            cell(action.help or ""),
        )
        for action in vars(daemon.parser())["_actions"]  # argparse has no public way to ask
        if action.option_strings and action.dest != "help"
    ]


def _names(action: argparse.Action) -> str:
    """Return how an option is written; what can be said and denied is written both ways."""
    if isinstance(action, argparse.BooleanOptionalAction):
        return ", ".join(map(code, action.option_strings))
    return code(" ".join([action.option_strings[-1], _metavar(action)]).strip())


def _metavar(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "/".join(map(str, action.choices))
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def _argparse_default(action: argparse.Action) -> str:
    if action.nargs == 0 or action.default in (None, ""):
        return ""
    return code(str(action.default))


def render() -> str:
    """Return the page."""
    parts = [_verb(name, command) for name, command in verbs()]
    return page("Command line", LEAD, *parts)


def _verb(name: str, command: click.Command) -> str:
    if name == "polypod daemon":
        told = daemon.parser().description or ""
        return f"## {name}\n\n{told}\n\n" + table(("Option", "Default", "Meaning"), daemon_rows())
    usage = " ".join(
        [name, *command.collect_usage_pieces(click.Context(command, **command.context_settings))]
    )
    told = _told(command)
    if name == "polypod plugin":
        told += f" TYPE is one of {', '.join(f'`{known}`' for known in sorted(PLUGIN_NAMES))}."
    text = f"## {name}\n\n```text\n{usage}\n```\n\n{told}\n"
    rows = [_option(option) for option in command.params if isinstance(option, click.Option)]
    return text + ("\n" + table(("Option", "Default", "Meaning"), rows) if rows else "")


def _told(command: click.Command) -> str:
    """Return what a verb's docstring says; what click is told not to wrap becomes a block."""
    paragraphs: list[str] = []
    for part in (*docstring(command.callback).split("\n\n"), command.epilog or ""):
        if part.startswith("\b"):
            lines = part.removeprefix("\b").strip("\n").splitlines()
            paragraphs.append("```text\n" + "\n".join(lines) + "\n```")
        elif part:
            paragraphs.append(" ".join(part.split()))
    return "\n\n".join(paragraphs)


def _option(option: click.Option) -> tuple[str, str, str]:
    names = ", ".join(option.opts)
    word = "" if option.is_flag else f" {_word(option)}"
    return code(names + word), _default(option), cell(option.help or "")


def _word(option: click.Option) -> str:
    if isinstance(option.type, click.Choice):
        return "/".join(map(str, option.type.choices))
    if option.metavar:
        return option.metavar
    return {"directory": "DIR", "file": "FILE", "path": "PATH"}.get(
        option.type.name, (option.name or "").upper()
    )


def _default(option: click.Option) -> str:
    if option.is_flag or option.multiple or option.default is None:
        return ""
    text = str(option.default)
    return code(text) if not text.startswith("Sentinel") else ""
