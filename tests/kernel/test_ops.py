"""Each op, applied once and twice, taken back once and twice, with the whole state compared.

The cases are in cases.py; an op without one fails here.
"""

from __future__ import annotations

import re
from typing import get_args

import pytest
from tests.kernel.cases import CASES, Case
from tests.kernel.world import State, World, differences, prepared, shows

from polypod.errors import PolypodError
from polypod.plan.ops import Identity, KernelOp


@pytest.fixture(
    params=[
        pytest.param(case, id=name, marks=[pytest.mark.needs(case.needs)] if case.needs else [])
        for name, case in CASES.items()
    ]
)
def case(request: pytest.FixtureRequest) -> Case:
    """Return each case in turn."""
    found = request.param
    assert isinstance(found, Case)
    return found


@pytest.fixture
def before(case: Case, world: World) -> State:
    """Make the case's world, and return its state."""
    prepared(world, case.world)
    with world.enter() as namespaces:
        for op in case.before:
            namespaces.apply(op)
    return world.state()


def apply(case: Case, world: World) -> Identity | None:
    with world.enter() as namespaces:
        return namespaces.apply(case.op)


def undo(case: Case, identity: Identity | None, world: World) -> None:
    with world.enter() as namespaces:
        namespaces.undo(case.op, identity)


def test_every_op_has_a_case() -> None:
    assert {type(case.op) for case in CASES.values()} == set(get_args(KernelOp))


def test_apply_does_what_it_says(case: Case, world: World, before: State) -> None:
    apply(case, world)

    after = world.state()
    assert shows(after, case.shows), after
    assert (not differences(before, after)) is case.silent


def test_apply_twice_changes_nothing_more(case: Case, world: World, before: State) -> None:
    apply(case, world)
    once = world.state()

    if case.twice:
        with pytest.raises(PolypodError, match=re.escape(case.twice)):
            apply(case, world)
    else:
        apply(case, world)

    assert differences(once, world.state()) == []
    assert shows(once, case.shows)
    assert case.silent or differences(before, once)


def test_undo_takes_back_what_is_private(case: Case, world: World, before: State) -> None:
    made = apply(case, world)
    applied = world.state()

    undo(case, made, world)

    assert differences(before if case.undone else applied, world.state()) == []


def test_undo_twice_changes_nothing_more(case: Case, world: World, before: State) -> None:
    made = apply(case, world)
    undo(case, made, world)
    once = world.state()

    undo(case, made, world)

    assert differences(once, world.state()) == []
    assert not case.undone or differences(before, once) == []


def test_undo_of_what_was_never_done_changes_nothing(
    case: Case, world: World, before: State
) -> None:
    undo(case, None, world)

    assert differences(before, world.state()) == []


def test_undo_without_a_sandbox_is_no_error(case: Case, world: World, before: State) -> None:
    with world.enter_host_only() as namespaces:
        namespaces.undo(case.op, None)

    assert differences(before, world.state()) == []
