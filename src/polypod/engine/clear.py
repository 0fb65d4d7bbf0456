"""Takes back everything on a node that is about to lose its daemon for good.

What belongs to sandboxes that are gone goes whole. A sandbox that lives keeps its first network,
which the primary's own plugins take down when the pod ends; its other networks go.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from polypod.engine import undo
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError
from polypod.plan.record import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which attachments go, and which stay."""

    going: tuple[tuple[Record, ...], ...]
    """One tuple a container."""
    staying: tuple[Record, ...]


def plan(found: Sequence[Record], is_gone: Callable[[Record], bool]) -> Plan:
    """Decide what goes; `is_gone` tells whether a record's sandbox is no more."""
    going: list[tuple[Record, ...]] = []
    staying: list[Record] = []
    ordered = sorted(found, key=lambda record: record.container_id)
    for _, group in groupby(ordered, key=lambda record: record.container_id):
        records = tuple(group)
        gone = all(is_gone(record) for record in records)
        kept = () if gone else tuple(record for record in records if record.position == 0)
        staying += kept
        left = tuple(record for record in records if record not in kept)
        going += [left] if left else []
    return Plan(going=tuple(going), staying=tuple(staying))


def carry_out(decided: Plan, doors: Doors) -> list[PolypodError]:
    """Take back what goes, and return what could not be; its records stay."""
    faults: list[PolypodError] = []
    for records in decided.going:
        try:
            failed = undo.records(records, Caller(), doors)
            if not failed and doors.cache is not None:
                doors.cache.forget_ours(records[0].container_id)
            faults += failed
        except PolypodError as error:  # a sandbox that cannot be entered keeps no other
            faults.append(error)
    return faults
