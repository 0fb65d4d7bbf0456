"""Decisions have one shape, consecutive numbers, and a place in the index."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "docs" / "adr"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))
PARTS = ["Context", "Options", "Decision", "Consequences"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_decision_has_context_options_decision_and_consequences(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == PARTS
    assert re.search(
        r"^Status: (accepted|superseded by \[.+\]), \d{4}-\d\d-\d\d$", text, re.MULTILINE
    )


def test_the_index_lists_every_decision_with_its_title_in_order() -> None:
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \|$", index, re.MULTILINE)

    titles = [path.read_text(encoding="utf-8").splitlines()[0] for path in PAGES]

    assert [name for _, _, name in listed] == [path.name for path in PAGES]
    assert [f"# {number}. {title}" for number, title, _ in listed] == titles
    assert [int(number) for number, _, _ in listed] == list(range(1, len(PAGES) + 1))
