"""The rows of the acceptance vectors for CNI plugins: their ids, and the marks that name them.

A test says which row it is with `row` or `each_version`, a table of rows with `table`; what cannot
be tested is in LEFT_OUT with its reason. tests/conformance/test_cni_rows.py compares the two with
SECTIONS, so that no row is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from polypod.cni.labels import ALL_VERSIONS

SECTIONS: Mapping[str, tuple[str, str]] = {
    "A": ("process contract", "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22"),
    "B": ("loopback", "1 3 4 6"),
    "C": (
        "bridge",
        (
            "1 3 4 6 7 9 10 11 12 13 14 15 16 18 19 21 22 24 25 27 28 30 31 33 34 36 37 39 40 42"
            " 43 45 46 48 49 51 52 54 55 57 58 60 61 63 64 66"
        ),
    ),
    "D": ("macvlan", "1 2 3 5 6 8 9 11 12 14 15 17 18 20 21"),
    "E": ("ipvlan", "1 3 4 6 7 9"),
    "H": (
        "host-local: the choice",
        "1 2 4 5 7 8 10 11 13 14 16 17 19 20 22 23 25 26 28 29 31 32 34 35 37 38 40 41",
    ),
    "I": ("host-local", "2 3 5 6 8 9 11 12 13 15 16 18 19 21 22 24 25 27 28 30 31"),
    "J": ("static", "1 2 3 5 6 8 9 11 12 14 15"),
    "L": ("tuning", "1 3 4 6 7 9 10 12 13 15 16 18 19 21 22"),
    "T": ("what plugins share", "1 2 4 5 7 8 10 11"),
    "U": ("lists of plugins", "2 3 5 6 8 9 11 12 14 15"),
}
"""Numbers by section; those that are missing in between name the plugins of other sections."""

LEFT_OUT: Mapping[str, str] = {
    "T1": "a name of iptables chains, which are never made here: masquerading is nftables",
    "T2": "as T1",
    "T5": "a function that nothing calls; what is stale is found in the journal here",
    "U14": "a chain with portmap, which is not built in",
    "U15": "as U14",
}
"""Rows without a test, and why."""

FLAT = ("0.1.0", "0.2.0")
"""The versions whose results have one address of each family, and no interfaces."""

named: set[str] = set()
"""Rows that a test or a table names."""


def ids() -> list[str]:
    """Return every row's id."""
    return [f"{section}{n}" for section, (_, text) in SECTIONS.items() for n in text.split()]


def row(*names: str) -> pytest.MarkDecorator:
    """Say which rows a test is."""
    named.update(names)
    return pytest.mark.parametrize("row", names)


def each_version(name: str, versions: Sequence[str] = ALL_VERSIONS) -> pytest.MarkDecorator:
    """Run a test, which is this row, for each version; it takes one as `version`."""
    named.add(name)
    values = [pytest.param(version, id=f"{name}-{version}") for version in versions]
    return pytest.mark.parametrize("version", values)


def table(arguments: str, *lines: Sequence[object]) -> pytest.MarkDecorator:
    """Run a test for each line: an id (a row, perhaps with `-` and a variant), then arguments."""
    values: list[object] = []
    for name, *rest in lines:
        assert isinstance(name, str)
        named.add(name.partition("-")[0])
        values.append(pytest.param(*rest, id=name))
    return pytest.mark.parametrize(arguments, values)
