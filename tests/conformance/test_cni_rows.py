"""Every row of the acceptance vectors for CNI plugins has a test, or a reason why it has none."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from tests.conformance import cni_rows
from tests.conformance.cni_rows import LEFT_OUT, SECTIONS

MODULES = sorted(path.stem for path in Path(__file__).parent.glob("test_cni_*.py"))


@pytest.fixture(scope="module", autouse=True)
def _every_test_is_known() -> None:
    for name in MODULES:
        importlib.import_module(f"tests.conformance.{name}")


def test_every_row_is_tested_or_left_out() -> None:
    wanted = set(cni_rows.ids())

    assert cni_rows.named | set(LEFT_OUT) == wanted
    assert not cni_rows.named & set(LEFT_OUT)


def test_the_sections_are_counted() -> None:
    counts = {
        section: (len(text.split()), sum(name[0] == section for name in LEFT_OUT))
        for section, (_, text) in SECTIONS.items()
    }

    assert counts == {
        "A": (15, 0),
        "B": (4, 0),
        "C": (46, 0),
        "D": (15, 0),
        "E": (6, 0),
        "H": (28, 0),
        "I": (21, 0),
        "J": (11, 0),
        "L": (15, 0),
        "T": (8, 3),
        "U": (10, 2),
    }
    assert sum(rows for rows, _ in counts.values()) == 179
