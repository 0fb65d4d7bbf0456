"""Each op, applied once and twice, taken back once and twice, with the whole state compared.

The cases are those of cases.py; an op without one fails here.
"""

from __future__ import annotations

from typing import get_args

from tests.kernel import story
from tests.kernel.cases import CASES, each_case
from tests.kernel.world import differences, shows

from polypod.plan.ops import KernelOp


def test_every_op_has_a_case() -> None:
    assert {type(case.op) for case in CASES.values()} == set(get_args(KernelOp))


@each_case
def test_apply_does_what_it_says(name: str) -> None:
    case, told = CASES[name], story.applied(name)

    assert shows(told.once, case.shows), told.once
    assert (not differences(told.before, told.once)) is case.silent


@each_case
def test_apply_twice_changes_nothing_more(name: str) -> None:
    case, told = CASES[name], story.applied(name)

    assert differences(told.once, told.twice) == []
    assert case.twice in told.refusal
    assert bool(case.twice) is bool(told.refusal), told.refusal


@each_case
def test_undo_takes_back_what_is_private(name: str) -> None:
    case, told = CASES[name], story.undone(name)

    assert differences(told.before if case.undone else told.applied, told.once) == []


@each_case
def test_undo_twice_changes_nothing_more(name: str) -> None:
    told = story.undone(name)

    assert differences(told.once, told.twice) == []


@each_case
def test_undo_of_what_was_never_done_changes_nothing(name: str) -> None:
    told = story.undone(name)

    assert differences(told.before, told.never_applied) == []
