"""Every error text on the troubleshooting page is one that the code can say."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
_symptom = re.compile(r"^\* \*\*`(.+?)`\*\*", re.MULTILINE)
_placeholder = re.compile(r"\.\.\.|\b[A-Z]+(?:-[A-Z]+)*\b(?![a-z_])|=N|/[\w/.]+")
_c_text = re.compile(r'"((?:[^"\\]|\\.)*)"')


def spoken() -> Iterator[str]:
    """Yield the texts in the sources of the daemon and of the shim."""
    for path in (ROOT / "src" / "polypod").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value
    yield from _c_text.findall((ROOT / "shim" / "shim.c").read_text(encoding="utf-8"))


def fragments(symptom: str) -> list[str]:
    """Return the parts of a text between what stands for names and numbers."""
    parts = _placeholder.split(symptom.replace("CNI_NETNS", "\0").replace("DEL cannot", "\1"))
    restored = (part.replace("\0", "CNI_NETNS").replace("\1", "DEL cannot") for part in parts)
    return [part.strip(" '\"()[]:,") for part in restored if len(part.strip(" '\"()[]:,")) > 3]


def test_every_text_that_is_explained_can_be_said() -> None:
    texts = list(spoken())

    unsaid = [
        (symptom, part)
        for symptom in _symptom.findall(PAGE)
        for part in fragments(symptom)
        if not any(part in text for text in texts)
    ]

    assert unsaid == []


def test_the_page_explains_a_good_number_of_texts() -> None:
    assert len(_symptom.findall(PAGE)) >= 15
