"""Puts findings in order, for people and for programs; what they come to is one number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from polypod.doctor.finding import Effect, Finding
from polypod.doctor.page import Row

SAME, DIFFERENT, BLOCKED = 0, 1, 2
PAGE = "docs/differences.md"
_TITLES: Mapping[Effect, str] = {
    Effect.BLOCKS: "Works now, and would not after the switch",
    Effect.DIFFERS: "Works, but not in everything as before",
    Effect.BROKEN: "Does not work now, and will not after the switch",
    Effect.SAME: "Behaves the same",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was found, and the rows of the page that it refers to."""

    findings: tuple[Finding, ...]
    rows: Mapping[str, Row]
    """By their first cell."""
    everywhere: tuple[Row, ...] = ()
    """Rows that apply to this cluster as a whole, whatever its objects are."""

    @property
    def code(self) -> int:
        """Return 0 for no difference, 1 for differences, 2 when something would stop working."""
        effects = {finding.effect for finding in self.findings}
        if Effect.BLOCKS in effects:
            return BLOCKED
        return DIFFERENT if Effect.DIFFERS in effects else SAME

    def of(self, effect: Effect) -> tuple[Finding, ...]:
        """Return the findings of one effect."""
        return tuple(finding for finding in self.findings if finding.effect is effect)


def lines(report: Report, *, everything: bool) -> Iterator[str]:
    """Yield the report for people; `everything` lists also what stays the same."""
    for effect, title in _TITLES.items():
        found = report.of(effect)
        if not found:
            continue
        yield f"{title} ({len(found)})"
        yield from (
            _same(found, everything=everything)
            if effect is Effect.SAME
            else _grouped(found, report.rows)
        )
        yield ""
    yield from _everywhere(report, everything=everything)


def as_table(report: Report) -> dict[str, object]:
    """Return the report for programs."""
    return {
        "result": ("same", "differences", "blocked")[report.code],
        "findings": [_finding(finding, report.rows) for finding in report.findings],
        "everywhere": [_row(row) for row in report.everywhere],
    }


def _grouped(found: Sequence[Finding], rows: Mapping[str, Row]) -> Iterator[str]:
    """Yield one entry for each row of the page, and one for each finding without."""
    by_row: dict[str, list[Finding]] = {}
    for finding in found:
        by_row.setdefault(finding.row, []).append(finding)
    for here, findings in sorted(by_row.items(), key=lambda one: one[0] == ""):
        row = rows.get(here)
        if row is not None:
            yield f"  {_plain(row.here)}"
            yield f"    with Multus: {_plain(row.there)}" if row.there else "    with Multus: no"
            if row.why:
                yield f"    because: {_plain(row.why)}"
        indent = "    " if row is not None else "  "
        for finding in findings:
            yield f"{indent}- {finding.subject}: {finding.text}"
            if finding.hint:
                yield f"{indent}  to do: {finding.hint}"


def _same(found: Sequence[Finding], *, everything: bool) -> Iterator[str]:
    if everything:
        for finding in found:
            yield f"  - {finding.subject}: {finding.text}"
            if finding.hint:
                yield f"    to do: {finding.hint}"
        return
    counted = Counter(finding.subject.split(" ")[0] for finding in found)
    yield f"  {', '.join(f'{count} {_plural(name, count)}' for name, count in counted.items())}"
    yield from (
        f"  - {finding.subject}: {finding.text}; {finding.hint}"
        for finding in found
        if finding.hint
    )


def _plural(name: str, count: int) -> str:
    if name == "node":
        return "of the node"
    return name if count == 1 else f"{name}s"


def _everywhere(report: Report, *, everything: bool) -> Iterator[str]:
    count = len(report.everywhere)
    if not count:
        return
    if not everything:
        yield f"{count} more lines of {PAGE} hold for every cluster: --all lists them."
        return
    yield f"Holds for every cluster ({count}, from {PAGE})"
    for row in report.everywhere:
        there = f" (with Multus: {_plain(row.there)})" if row.there else ""
        yield f"  - {row.section}: {_plain(row.here)}{there}"


def _finding(finding: Finding, rows: Mapping[str, Row]) -> dict[str, object]:
    row = rows.get(finding.row)
    told: dict[str, object] = {
        "effect": finding.effect.value,
        "subject": finding.subject,
        "text": finding.text,
    }
    if finding.hint:
        told["hint"] = finding.hint
    if row is not None:
        told["difference"] = _row(row)
    return told


def _row(row: Row) -> dict[str, object]:
    return {"section": row.section, "here": row.here, "there": row.there, "why": row.why}


def _plain(text: str) -> str:
    """Return a cell as a terminal shows it."""
    return text.replace("`", "").replace("[", "").replace("](howto/switch.md)", "")


def put_together(
    findings: Iterable[Finding], rows: Sequence[Row], everywhere: Sequence[Row]
) -> Report:
    """Return the report of findings, the worst first."""
    order = list(_TITLES)
    found = sorted(findings, key=lambda one: order.index(one.effect))
    return Report(
        findings=tuple(found),
        rows={row.here: row for row in rows},
        everywhere=tuple(everywhere),
    )
