"""Every row of the vectors is a test, or is left out with its reason."""

from __future__ import annotations

import re
from pathlib import Path

from tests.conformance.multus_rows import LEFT_OUT, ids

FILES = sorted(Path(__file__).parent.glob("test_multus_*.py"))
_in_id = re.compile(r'id="([A-N]\d\d)')
_in_name = re.compile(r"^def test((?:_[a-n]\d\d)+)_", re.MULTILINE)


def rows_of_tests() -> set[str]:
    """Return the rows that tests name."""
    found: set[str] = set()
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        found.update(_in_id.findall(text))
        for names in _in_name.findall(text):
            found.update(name.upper() for name in names.split("_") if name)
    return found


def test_every_row_is_tested_or_left_out() -> None:
    missing = [row for row in ids() if row not in rows_of_tests() and row not in LEFT_OUT]

    assert missing == []


def test_no_row_is_both_and_none_is_made_up() -> None:
    assert sorted(rows_of_tests() & set(LEFT_OUT)) == []
    assert sorted((rows_of_tests() | set(LEFT_OUT)) - set(ids())) == []
