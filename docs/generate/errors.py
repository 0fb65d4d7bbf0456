"""docs/reference/errors.md: every error raised on purpose, found by walking the package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from docs.generate.markdown import cell, code, first_line, page, table

import polypod
from polypod.errors import PolypodError

LEAD = """
Every failed call answers with the error object of CNI 1.1.0: `code`, `msg`, and `details` where
there is more to say. The class of an error says what to do next; its slug is what the log, the
metric `polypod_errors_total` and `polypod explain SLUG` know it by. Causes carry names and the
kernel's own words; stdin, tokens and environment never appear in them.

The code in the answer is the class's, with two exceptions: a foreign plugin's own code is passed
on as it is, and STATUS answers 50 whatever the reason.
"""


def classes() -> list[type[PolypodError]]:
    """Return every error class, in order of code and slug."""
    for module in pkgutil.walk_packages(polypod.__path__, "polypod."):
        importlib.import_module(module.name)
    every: list[type[PolypodError]] = [PolypodError, *_below(PolypodError)]
    found: dict[str, type[PolypodError]] = {}
    for error in every:
        found.setdefault(error.slug, error)  # a kind of an error that has its slug is told with it
    return sorted(found.values(), key=lambda error: (error.code, error.slug))


def _below(error: type[PolypodError]) -> Iterator[type[PolypodError]]:
    for direct in error.__subclasses__():
        yield direct
        yield from _below(direct)


def render() -> str:
    """Return the page."""
    found = classes()
    rows = [
        (f"[`{error.slug}`](#{error.slug})", str(error.code), cell(first_line(error)))
        for error in found
    ]
    return page(
        "Errors",
        LEAD,
        table(("Slug", "CNI code", "What happened"), rows),
        *(_section(error) for error in found),
    )


def _section(error: type[PolypodError]) -> str:
    return (
        f"## {error.slug}\n\n{first_line(error)}\n\n"
        f"CNI code {error.code}, class {code(error.__name__)}. Hint: {error.hint}.\n"
    )
