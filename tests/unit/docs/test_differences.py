"""Every difference that a test accepts is told to users, and no other."""

from __future__ import annotations

from pathlib import Path

from tests.kernel.test_recordings import DIFFERENCES

PAGE = (Path(__file__).parents[3] / "docs" / "differences.md").read_text(encoding="utf-8")


def told() -> dict[tuple[str, str], str]:
    """Return the rows of the page's table of recordings."""
    section = PAGE.split("\n## Recordings\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("| `")]
    return {(case.strip(" `"), step.strip()): why.strip() for case, step, why in rows}


def test_each_recorded_step_that_differs_is_on_the_page_with_its_reason() -> None:
    assert told() == DIFFERENCES
