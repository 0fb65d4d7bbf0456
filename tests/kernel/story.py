"""What became of a case's two worlds: one where its op is applied twice, one where it is undone.

Each case is lived through once, and every test of it reads the same story: programs start slowly
on the kernel of `./dev vm`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from tests.kernel.case import Case
from tests.kernel.cases import CASES
from tests.kernel.world import State, World, prepared

from polypod.errors import PolypodError
from polypod.plan import ops

NFT_OPS = (ops.AddMasquerade, ops.RemoveMasquerade, ops.AddSpoofCheck, ops.RemoveSpoofCheck)


@dataclass(frozen=True, kw_only=True)
class Applied:
    """An op applied once, and again."""

    before: State
    once: State
    twice: State
    refusal: str
    """What the second apply was refused with; empty when it was not."""


@dataclass(frozen=True, kw_only=True)
class Undone:
    """An op undone before it was applied, and twice afterwards."""

    before: State
    never_applied: State
    applied: State
    once: State
    twice: State


def begin(case: Case) -> World:
    """Return a case's world as it is before its op."""
    world = World(with_rules=isinstance(case.op, NFT_OPS))
    prepared(world, case.world)
    with world.enter() as namespaces:
        for op in case.before:
            namespaces.apply(op)
    return world


@functools.cache
def applied(name: str) -> Applied:
    """Live through applying a case's op twice."""
    case = CASES[name]
    world = begin(case)
    try:
        before = world.state()
        with world.enter() as namespaces:
            namespaces.apply(case.op)
        once, refusal = world.state(), ""
        with world.enter() as namespaces:
            try:
                namespaces.apply(case.op)
            except PolypodError as error:
                refusal = error.cause
        return Applied(before=before, once=once, twice=world.state(), refusal=refusal)
    finally:
        world.close()


@functools.cache
def undone(name: str) -> Undone:
    """Live through undoing a case's op: before it was applied, and twice afterwards."""
    case = CASES[name]
    world = begin(case)
    try:
        before = world.state()
        with world.enter() as namespaces:
            namespaces.undo(case.op, None)
        with world.enter_host_only() as namespaces:
            namespaces.undo(case.op, None)
        never_applied = world.state()
        with world.enter() as namespaces:
            made = namespaces.apply(case.op)
        applied = world.state()
        with world.enter() as namespaces:
            namespaces.undo(case.op, made)
        once = world.state()
        with world.enter() as namespaces:
            namespaces.undo(case.op, made)
        return Undone(
            before=before,
            never_applied=never_applied,
            applied=applied,
            once=once,
            twice=world.state(),
        )
    finally:
        world.close()
