"""docs/reference/logs.md: every event that the daemon can log, found where it is logged."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docs.generate.markdown import code, page, table

import polypod

SOURCE = Path(polypod.__file__).parent
LEVELS = ("debug", "info", "warning", "error", "exception")
LEAD = """
The daemon logs to standard error, one event a line: `event=NOUN.VERB` and what belongs to it, as
`key=value`. `--log-level` sets what is shown; `info` is the default. Configurations, environment
and tokens are never logged. An `exception` carries a Python traceback and is a defect: please
report it.
"""
_event = re.compile(r"[a-z]+\.[a-z_]+")
_field = re.compile(r"([a-z_]+)=%")


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """One place that logs."""

    name: str
    level: str
    fields: tuple[str, ...]
    file: str


def events() -> list[Event]:
    """Return every event by name."""
    found: set[Event] = set()
    for path in SOURCE.rglob("*.py"):
        name = str(path.relative_to(SOURCE))
        if not name.startswith("testing/"):
            found.update(_of_file(name, ast.parse(path.read_text(encoding="utf-8"))))
    return sorted(found)


def _of_file(file: str, tree: ast.AST) -> Iterator[Event]:
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                args=[ast.Constant(value=str(text)), *rest],
            ) if level in LEVELS and _event.match(text):
                keys = (*_field.findall(text), *_keywords(rest))
                yield Event(text.split()[0], level, tuple(dict.fromkeys(keys)), file)
            case _:
                pass


def _keywords(arguments: list[ast.expr]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, ast.Call):
            yield from (word.arg for word in argument.keywords if word.arg)


def render() -> str:
    """Return the page."""
    rows = [
        (code(one.name), one.level, ", ".join(map(code, one.fields)), code(one.file))
        for one in events()
    ]
    return page("Log events", LEAD, table(("Event", "Level", "Fields", "Logged by"), rows))
