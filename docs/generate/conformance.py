"""docs/reference/conformance.md: which of the reference's behaviours are tested, and which not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from docs.generate.markdown import cell, page, table
from tests.conformance import cni_rows, multus_rows

LEAD = """
The reference's behaviour was written down row by row before the code: one row, one thing that a
user or another program can observe. Every row is a test in `tests/conformance`, or is left out with
its reason; a test counts them. Besides, recordings of the reference's executables (input, output,
exit status, the kernel's state) are replayed against ours. What is different on purpose is told
under [Differences](../differences.md).
"""


def render() -> str:
    """Return the page."""
    return page(
        "Conformance",
        LEAD,
        "## Plugins\n",
        _count(cni_rows.SECTIONS, cni_rows.LEFT_OUT),
        "## Meta-plugin\n",
        _count(multus_rows.SECTIONS, multus_rows.LEFT_OUT),
        "## Left out\n",
        "Plugins:\n",
        table(("Row", "Why"), _reasons(cni_rows.LEFT_OUT.items())),
        "Meta-plugin:\n",
        table(("Row", "Why"), _reasons(multus_rows.LEFT_OUT.items())),
    )


def _count(sections: Mapping[str, tuple[str, str]], left_out: Mapping[str, str]) -> str:
    rows = [
        (name, title, len(numbers.split()), sum(row[0] == name for row in left_out))
        for name, (title, numbers) in sections.items()
    ]
    shown = [(name, title, str(all_ - left), str(left)) for name, title, all_, left in rows]
    total = sum(row[2] for row in rows)
    shown.append(("", "**all**", f"**{total - len(left_out)}**", f"**{len(left_out)}**"))
    return table(("Section", "", "Rows tested", "Left out"), shown)


def _reasons(left_out: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return reasons with their rows together; `as X` takes the reason of X."""
    known = dict(left_out)
    rows: dict[str, list[str]] = {}
    for row, why in known.items():
        reason = known.get(why.removeprefix("as "), why)
        rows.setdefault(reason, []).append(row)
    return [(", ".join(names), cell(reason)) for reason, names in rows.items()]
