"""Figures and their goals: printed as a table, kept as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Z_95 = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value beside what it is compared with."""

    name: str
    ours: float
    unit: str
    other: float | None = None
    """What it is compared with, in the same unit."""
    other_name: str = ""
    at_most: float | None = None
    """The goal: ours / other (or ours alone) is at most this."""
    at_least: float | None = None
    """The goal: ours / other is at least this."""
    within: tuple[float, float] | None = None
    """Where the middle lies that `ours` was measured as, with 95 % certainty."""

    @property
    def ratio(self) -> float:
        """Return ours / other; ours alone when there is nothing to compare with."""
        return self.ours / self.other if self.other else self.ours

    @property
    def has_goal(self) -> bool:
        """Tell whether there is something to reach."""
        return self.at_most is not None or self.at_least is not None

    @property
    def is_reached(self) -> bool:
        """Tell whether the goal is reached."""
        if self.at_most is not None:
            return self.ratio <= self.at_most
        return self.at_least is None or self.ratio >= self.at_least

    def goal(self) -> str:
        """Return the goal in words."""
        if not self.has_goal:
            return "-"
        sign, bound = ("<=", self.at_most) if self.at_most is not None else (">=", self.at_least)
        return f"{sign} {bound:g} x" if self.other else f"{sign} {bound:g} {self.unit}"


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as lines of text, the count of reached goals last."""
    head = ("", "Polypod", "compared with", "", "ratio", "goal", "")
    rows = [head, *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = [
        "  ".join(
            cell.rjust(width) if column in {1, 2, 4, 5} else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    with_goal = [figure for figure in figures if figure.has_goal]
    reached = sum(figure.is_reached for figure in with_goal)
    return "\n".join([*lines, f"{reached} of {len(with_goal)} figures reach their goal"])


def _row(figure: Figure) -> tuple[str, ...]:
    compared = f"{figure.other:.2f} {figure.unit}" if figure.other else ""
    return (
        figure.name,
        f"{figure.ours:.2f} {figure.unit}{_within(figure)}",
        compared,
        figure.other_name,
        f"{figure.ratio:.2f} x" if figure.other else "",
        figure.goal(),
        ("reached" if figure.is_reached else "MISSED") if figure.has_goal else "",
    )


def _within(figure: Figure) -> str:
    if figure.within is None:
        return ""
    low, high = figure.within
    return f" ({low:.2f} to {high:.2f})"


def around_the_middle(values: Sequence[float]) -> tuple[float, float]:
    """Return between which of the values their median lies, with 95 % certainty.

    How many values lie below it is a matter of tossing a coin for each: no shape is assumed.
    """
    ordered, count = sorted(values), len(values)
    aside = max(0, math.floor((count - Z_95 * math.sqrt(count)) / 2 - 0.5))
    return ordered[aside], ordered[count - 1 - aside]


def keep(figures: Sequence[Figure], notes: Sequence[str], path: Path) -> None:
    """Write the figures as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "figures": [
            asdict(figure) | {"ratio": figure.ratio, "reached": figure.is_reached}
            for figure in figures
        ],
        "notes": list(notes),
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
