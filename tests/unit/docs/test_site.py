"""The site has every page, and nothing in it comes from elsewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from docs.generate import stage

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs"
CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PAGES = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))
_link = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
_fence = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def names(entry: object) -> Iterator[str]:
    """Yield the files that a part of the navigation names."""
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for inner in entry.values():
            yield from names(inner)
    elif isinstance(entry, list):
        for inner in entry:
            yield from names(inner)


def test_the_navigation_has_every_page_once() -> None:
    named = list(names(CONFIG["nav"]))

    assert sorted(named) == sorted([*PAGES, *stage.GUIDES])


def test_the_site_asks_nothing_of_other_hosts() -> None:
    assert CONFIG["theme"]["font"] is False
    assert "extra_javascript" not in CONFIG
    assert not [name for name in CONFIG["extra_css"] if not (DOCS / name).is_file()]


@pytest.mark.parametrize("name", ["README.md", *stage.GUIDES])
def test_the_links_of_the_guides_lead_somewhere(name: str) -> None:
    text = _fence.sub("", (ROOT / name).read_text(encoding="utf-8"))

    gone = [to for to in _link.findall(text) if ":" not in to and not (ROOT / to).exists()]

    assert gone == []


@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_a_page_lead_somewhere(name: str) -> None:
    text = _fence.sub("", (DOCS / name).read_text(encoding="utf-8"))
    folder = (DOCS / name).parent

    gone = [
        to
        for to in _link.findall(text)
        if ":" not in to
        and not (folder / to).exists()
        and not (to in stage.GUIDES and folder == DOCS)
    ]

    assert gone == []


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_page_stands_in_a_table(name: str) -> None:
    text = _fence.sub("", (DOCS / name).read_text(encoding="utf-8"))
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)

    stray = [rows for rows in tables if not re.search(r"\A.*\n\|(-+\|)+\n", rows)]

    assert stray == []


def test_staging_leads_the_guides_links_into_the_pages(tmp_path: Path) -> None:
    folder = stage.stage(ROOT, tmp_path / "pages")

    pages = folder / "docs"
    assert "](design.md)" in (pages / "STYLE.md").read_text(encoding="utf-8")
    assert "](../CHANGELOG.md)" in (pages / "reference" / "interface.md").read_text(
        encoding="utf-8"
    )
    assert not list(pages.rglob("*.py"))
