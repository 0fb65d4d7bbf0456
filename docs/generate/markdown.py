"""Markdown that every generated page needs: tables, the note at the top, docstrings as text."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence

NOTE = "<!-- Written by docs/build.py from the code: do not edit, call `./dev docs`. -->\n\n"


def cell(text: str) -> str:
    """Return text that fits into a table: one line, no bare pipes, nothing taken for a tag."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    parts[::2] = [outside.replace("<", "&lt;") for outside in parts[::2]]
    return "`".join(parts)


def code(text: str) -> str:
    """Return text as code, empty text as nothing."""
    return f"`{' '.join(text.split())}`" if text.strip() else ""


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; cells are Markdown."""
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def page(title: str, lead: str, *parts: str) -> str:
    """Return a page: the note, a title, a lead, and its parts."""
    return NOTE + f"# {title}\n\n{lead.strip()}\n\n" + "\n".join(parts).rstrip() + "\n"


def docstring(thing: object) -> str:
    """Return a docstring without its indentation."""
    return inspect.getdoc(thing) or ""


def first_line(thing: object) -> str:
    """Return the first paragraph of a docstring as one line."""
    return " ".join(docstring(thing).split("\n\n")[0].split())
