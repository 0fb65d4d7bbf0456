"""The passthru plugin, as Multus brings it along: it does nothing and reports an empty result.

It begins a chain whose plugins only change what is there, and want a result to go on from.
"""

from __future__ import annotations

from dataclasses import dataclass

from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.result import Result
from polypod.plan.facts import Facts, Query
from polypod.plan.ops import Op
from polypod.plugins._shape import Call


@dataclass(frozen=True, slots=True)
class Passthru:
    """The plugin of type `passthru`."""

    versions: tuple[str, ...] = ALL_VERSIONS

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Want nothing."""
        del call
        return ()

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Do nothing."""
        del call, facts, lease
        return ()

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Want nothing."""
        del call, ops
        return ()

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Report nothing, whatever prevResult says."""
        del call, ops, facts, lease
        return Result()

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Do nothing."""
        del call
        return ()

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Want nothing."""
        del call
        return ()

    def check(self, call: Call, facts: Facts) -> None:
        """Find nothing wrong."""
        del call, facts
