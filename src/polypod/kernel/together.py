"""Carries out a stage of ops: what plan/fold.py put together goes to the kernel together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from polypod.errors import PolypodError
from polypod.kernel import apply, configure, make
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.fold import Kind
from polypod.plan.ops import KernelOp
from polypod.plan.outcome import Done, Effect, Failed, Outcome


def carry_out(kind: Kind, stage: Sequence[KernelOp], spaces: Spaces) -> Outcome:
    """Carry out the ops of a stage; what became of each is in the outcome."""
    match kind:
        case Kind.LINKS:
            return make.make(cast("Sequence[make.Maker]", stage), spaces)
        case Kind.SETTINGS:
            return configure.together(cast("Sequence[ops.Configure]", stage), spaces)
        case Kind.WAITS:
            return configure.wait_all_up(cast("Sequence[ops.WaitOperUp]", stage), spaces)
        case Kind.SINGLY:
            return _singly(stage, spaces)


def _singly(stage: Sequence[KernelOp], spaces: Spaces) -> Outcome:
    """Carry out one op after the other; those after a failed one are not tried."""
    effects: list[Effect] = [None] * len(stage)
    for place, op in enumerate(stage):
        try:
            effects[place] = Done(apply.apply(op, spaces))
        except PolypodError as error:
            effects[place] = Failed(error)
            break
    return Outcome(tuple(effects))
