"""Folds the ops of a pod into stages: as few conversations with the kernel as their order allows.

The plans of all networks come in one after the other. An op may move ahead of ops that have
nothing to do with it, never of one that makes, changes or uses the same thing. Measured: a pod of
four links takes half the time (docs/adr). engine/execute.py walks the stages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import TypeAlias

import msgspec

from polypod.plan import ops
from polypod.plan.facts import (
    AddressesQuery,
    Fact,
    LinkQuery,
    MasterQuery,
    PortQuery,
    Query,
    RoutesQuery,
    SysctlQuery,
    Where,
)
from polypod.plan.ops import LINK_MAKERS, Op


class Kind(Enum):
    """How the ops of a stage are carried out."""

    LINKS = "links"
    """One send makes all the links: none may need another of its stage."""
    SETTINGS = "settings"
    """One send in the sandbox gives all links their addresses and routes, in order."""
    WAITS = "waits"
    """One question asks for all links until all are up."""
    SINGLY = "singly"
    """One op after the other."""


class Stage(msgspec.Struct, frozen=True):
    """Places in the sequence of ops, in order."""

    kind: Kind
    places: tuple[int, ...]


Thing: TypeAlias = tuple[str, str]
"""A namespace (or `rules`, `routes`), and a name in it."""


class _Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What an op has to do with; `all` is for ops that may reach anything."""

    changes: frozenset[Thing] = frozenset()
    uses: frozenset[Thing] = frozenset()
    all: bool = False


_ROUTES = ("routes", "")
_EVERYTHING = _Reach(all=True)


class _Growing(msgspec.Struct):
    """A stage under way, and what its ops have to do with."""

    kind: Kind
    places: list[int] = msgspec.field(default_factory=list[int])
    changes: set[Thing] = msgspec.field(default_factory=set[Thing])
    uses: set[Thing] = msgspec.field(default_factory=set[Thing])
    all: bool = False
    makes_links: bool = False

    def add(self, place: int, op: Op, reach: _Reach) -> None:
        """Take an op in."""
        self.places.append(place)
        self.changes |= reach.changes
        self.uses |= reach.uses
        self.all = self.all or reach.all
        self.makes_links = self.makes_links or isinstance(op, LINK_MAKERS)


def fold(sequence: Sequence[Op]) -> tuple[Stage, ...]:
    """Return the stages; carried out in order they have the effect of the sequence."""
    stages: list[_Growing] = []
    for place, op in enumerate(sequence):
        kind, reach = kind_of(op), _reach(op)
        first = _earliest(op, kind, reach, stages)
        found = next((stage for stage in stages[first:] if stage.kind is kind), None)
        if found is None:
            found = _Growing(kind)
            stages.insert(first, found)
        found.add(place, op, reach)
    return tuple(Stage(stage.kind, tuple(stage.places)) for stage in stages)


def kind_of(op: Op) -> Kind:
    """Return how an op is carried out."""
    match op:
        case ops.AddVeth():
            return Kind.LINKS
        case ops.AddMacvlan() | ops.AddIpvlan():
            return Kind.LINKS if op.parent_where is Where.HOST else Kind.SINGLY
        case ops.Configure():
            return Kind.SETTINGS
        case ops.WaitOperUp():
            return Kind.WAITS
        case _:
            return Kind.SINGLY


def _earliest(op: Op, kind: Kind, reach: _Reach, stages: Sequence[_Growing]) -> int:
    """Return the first stage that an op may join: not before anything that it must follow."""
    for number in range(len(stages) - 1, -1, -1):
        stage = stages[number]
        if _depends(op, reach, stage):
            keeps_order = stage.kind is kind and kind is not Kind.LINKS
            return number if keeps_order else number + 1
        if stage.makes_links and isinstance(op, LINK_MAKERS):
            # The order of links shows: they are numbered as they are made.
            return number if stage.kind is kind else number + 1
    return 0


def _depends(op: Op, reach: _Reach, stage: _Growing) -> bool:
    """Tell whether an op needs one of an earlier stage to have taken effect."""
    if isinstance(op, ops.WaitOperUp):
        return True  # a link is up only when its other end is: whatever came before counts
    if stage.kind is Kind.WAITS:
        return reach.all
    if reach.all or stage.all:
        return True
    return not (
        stage.changes.isdisjoint(reach.changes)
        and stage.changes.isdisjoint(reach.uses)
        and stage.uses.isdisjoint(reach.changes)
    )


@lru_cache(maxsize=64)
def _reach(op: Op) -> _Reach:  # noqa: C901, PLR0912 - a table: one line or two for each op
    host, sandbox = Where.HOST, Where.SANDBOX
    match op:
        case ops.AddBridge():
            return _Reach(changes=frozenset({(host, op.name)}))
        case ops.AddVeth():
            made = frozenset({(host, op.host_name), (sandbox, op.ifname)})
            return _Reach(changes=made, uses=frozenset({(host, op.master)}))
        case ops.AddMacvlan() | ops.AddIpvlan():
            parent = frozenset({(op.parent_where, op.parent)})
            return _Reach(changes=frozenset({(sandbox, op.ifname)}), uses=parent)
        case ops.Configure():
            return _Reach(changes=frozenset({(sandbox, op.ifname), _ROUTES}))
        case ops.SetPortVlans():
            return _Reach(changes=frozenset({(host, op.port)}))
        case ops.AddGateway():
            return _Reach(changes=frozenset({(host, op.link)}))
        case ops.AddVlanGateway():
            made = frozenset({(host, op.name), (host, op.peer)})
            return _Reach(changes=made, uses=frozenset({(host, op.bridge)}))
        case ops.EnableForwarding():
            return _Reach(changes=frozenset({("forwarding", str(op.family))}))
        case ops.SetLink():
            return _Reach(changes=frozenset({(op.where, op.name)}))
        case ops.AddMasquerade() | ops.RemoveMasquerade() | ops.RemoveSpoofCheck():
            return _Reach(changes=frozenset({("rules", "")}))
        case ops.AddSpoofCheck():
            port = frozenset({(host, op.port)})
            return _Reach(changes=frozenset({("rules", "")}), uses=port)
        case ops.WaitOperUp():
            return _Reach(uses=frozenset({(host, op.name)}))
        case ops.WriteSysctl() | ops.DeleteLink() | ops.ReplaceDefaultRoute():
            return _EVERYTHING
        case ops.KeepBackup() | ops.RestoreBackup():
            return _EVERYTHING


class Changes:
    """What ops change, all of them together."""

    def __init__(self, ops: Sequence[Op] = ()) -> None:
        """Begin with these."""
        self._things: set[Thing] = set()
        self._all = False
        self._any = False
        self.add(ops)

    def add(self, ops: Sequence[Op]) -> None:
        """Take more in."""
        for op in ops:
            reach = _reach(op)
            self._things |= reach.changes
            self._all = self._all or reach.all
            self._any = True

    def touch(self, query: Query) -> bool:
        """Tell whether the answer to a query may be another one afterwards."""
        match query:
            case MasterQuery() if not query.name:
                # The first default route's device: of the host, no op of ours makes one.
                return query.where is Where.SANDBOX and self._any
            case RoutesQuery() | SysctlQuery():
                return self._any
            case PortQuery():
                return self._all or (Where.HOST, query.name) in self._things
            case LinkQuery() | AddressesQuery() | MasterQuery():
                return self._all or (query.where, query.name) in self._things


def still_true(heard: Mapping[Query, Fact], later: Sequence[Op]) -> dict[Query, Fact]:
    """Return what was heard without the answers that ops carried out since may have changed."""
    if not heard:
        return {}
    changes = Changes(later)
    return {query: fact for query, fact in heard.items() if not changes.touch(query)}
