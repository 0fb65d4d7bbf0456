"""Reads the page of differences, row by row, so that a report quotes what is written there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

RECORDINGS = ("Recordings", "Effects")
"""Parts of the page about test data, of no interest for a cluster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the page."""

    section: str
    here: str
    there: str
    why: str


def rows(page: str) -> tuple[Row, ...]:
    """Return every row about plugins and the meta-plugin, in order."""
    found: list[Row] = []
    part = section = ""
    for line in page.splitlines():
        if line.startswith("## "):
            part, section = line[3:].strip(), ""
        elif line.startswith("### "):
            section = line[4:].strip()
        elif section and part not in RECORDINGS and line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) == 3 and cells[0] != "Here" and not cells[0].startswith("---"):
                found.append(Row(section=section, here=cells[0], there=cells[1], why=cells[2]))
    return tuple(found)


def of_sections(found: Iterable[Row], sections: Iterable[str]) -> tuple[Row, ...]:
    """Return the rows of some sections."""
    wanted = frozenset(sections)
    return tuple(row for row in found if row.section in wanted)
