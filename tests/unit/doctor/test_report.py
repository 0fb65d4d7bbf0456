"""The report: one number, rows of the page as they are written, and no row that nobody minds."""

from __future__ import annotations

from pathlib import Path

import pytest

from polypod.doctor import everywhere, gather, page, report, rules
from polypod.doctor.facts import Facts
from polypod.doctor.finding import Effect, Finding

PAGE = gather.page_of_differences()
ROWS = page.rows(PAGE)
CLUSTER = Path(__file__).parents[2] / "data" / "multus"


def finding(effect: Effect) -> Finding:
    return Finding(effect=effect, subject="pod a/b", text="is told")


def test_every_row_that_a_rule_names_is_on_the_page_as_it_stands() -> None:
    assert everywhere.DECIDED - {row.here for row in ROWS} == frozenset()


def test_rows_of_the_page_are_told_apart() -> None:
    assert len({row.here for row in ROWS}) == len(ROWS)
    assert {row.section for row in ROWS} >= {"bridge", "host-local", "ADD", "DEL"}


def test_every_row_is_decided_by_a_rule_or_holds_where_its_section_has_a_subject() -> None:
    facts = gather.from_manifests(CLUSTER)

    holding = {row.here for row in everywhere.holding(facts, ROWS)}

    assert {row.here for row in ROWS} - holding - everywhere.DECIDED == set()


def test_a_cluster_without_definitions_hears_nothing_of_plugins() -> None:
    sections = {row.section for row in everywhere.holding(Facts(), ROWS)}

    assert sections == {
        "What plugins are told",
        "ADD",
        "DEL",
        "CHECK, STATUS, GC",
        "network-status",
        "Events",
    }


@pytest.mark.parametrize(
    ("effects", "code"),
    [
        ((), 0),
        ((Effect.SAME, Effect.BROKEN), 0),
        ((Effect.SAME, Effect.DIFFERS), 1),
        ((Effect.DIFFERS, Effect.BLOCKS), 2),
    ],
)
def test_the_worst_finding_is_the_result(effects: tuple[Effect, ...], code: int) -> None:
    found = report.put_together([finding(effect) for effect in effects], ROWS, ())

    assert found.code == code


def test_people_see_each_row_once_with_everything_that_it_concerns() -> None:
    row = next(row for row in ROWS if row.section == "tuning")
    found = [
        Finding(effect=Effect.DIFFERS, subject=f"definition a/{name}", text="x", row=row.here)
        for name in ("one", "two")
    ]

    said = list(report.lines(report.put_together(found, ROWS, ()), everything=False))

    assert said[0] == "Works, but not in everything as before (2)"
    assert sum(1 for line in said if line.startswith("  ") and line[2] != " ") == 1
    assert [line for line in said if "definition" in line] == [
        "    - definition a/one: x",
        "    - definition a/two: x",
    ]


def test_programs_see_everything() -> None:
    facts = gather.from_manifests(CLUSTER)
    found = report.put_together(rules.judge(facts), ROWS, everywhere.holding(facts, ROWS))

    told = report.as_table(found)

    assert told["result"] == "blocked"
    listed = told["findings"]
    assert isinstance(listed, list)
    assert listed[0]["effect"] == "blocks"
    assert {"section", "here", "there", "why"} == set(listed[0]["difference"])


def test_everything_lists_what_stays_the_same_and_what_holds_anyway() -> None:
    facts = gather.from_manifests(CLUSTER)
    found = report.put_together(rules.judge(facts), ROWS, everywhere.holding(facts, ROWS))

    short = list(report.lines(found, everything=False))
    whole = list(report.lines(found, everything=True))

    assert short[-1].endswith("--all lists them.")
    assert any(line.startswith("  - pod lab/simple: gets the same networks") for line in whole)
    assert any(line.startswith("  - DEL: DEL replays the journal") for line in whole)
