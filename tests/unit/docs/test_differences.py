"""Every difference that a test accepts is told to users, and no other."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.test_recordings import DIFFERENCES, EFFECTS

PAGE = (Path(__file__).parents[3] / "docs" / "differences.md").read_text(encoding="utf-8")


def told(title: str) -> dict[tuple[str, str], str]:
    """Return the rows of the page's table below a heading."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {(case.strip(" `"), step.strip()): why.strip() for case, step, why in rows}


def test_each_recorded_step_that_is_answered_otherwise_is_on_the_page_with_its_reason() -> None:
    assert told("Recordings") == DIFFERENCES


def test_each_recorded_step_with_another_effect_is_on_the_page_with_its_reason() -> None:
    assert told("Effects") == EFFECTS
