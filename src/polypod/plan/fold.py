"""Folds the ops of a pod into stages: as few conversations with the kernel as their order allows.

The plans of all networks come in one after the other. An op may move ahead of ops that have
nothing to do with it, never of one that makes, changes or uses the same thing. Measured: a pod of
four links takes half the time (docs/adr). engine/execute.py walks the stages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from itertools import groupby
from typing import Any, TypeAlias

import msgspec

from polypod.plan import ops
from polypod.plan.facts import (
    HOST,
    SANDBOX,
    AddressesQuery,
    Fact,
    LinkQuery,
    MasterQuery,
    PortQuery,
    Query,
    RoutesQuery,
    SysctlQuery,
)
from polypod.plan.ops import Op


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


_LINKS, _SETTINGS, _WAITS, _SINGLY = Kind.LINKS, Kind.SETTINGS, Kind.WAITS, Kind.SINGLY
_FOLDED = (_LINKS, _SETTINGS, _WAITS)


class Stage(msgspec.Struct, frozen=True):
    """Places in the sequence of ops, in order."""

    kind: Kind
    places: tuple[int, ...]


Thing: TypeAlias = tuple[str, str]
"""A namespace (or `rules`, `routes`), and a name in it."""


class _Reach(msgspec.Struct, frozen=True):
    """How an op is carried out, and what it has to do with."""

    kind: Kind
    changes: tuple[Thing, ...] = ()
    uses: tuple[Thing, ...] = ()
    all: bool = False
    """It may reach anything."""
    makes_link: bool = False


class _Growing:
    """A stage under way, and what its ops have to do with."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.places: list[int] = []
        self.changes: set[Thing] = set()
        self.uses: set[Thing] = set()
        self.all = False
        self.makes_links = False

    def add(self, place: int, reach: _Reach) -> None:
        """Take an op in."""
        self.places.append(place)
        self.changes.update(reach.changes)
        self.uses.update(reach.uses)
        self.all = self.all or reach.all
        self.makes_links = self.makes_links or reach.makes_link


def fold(sequence: Sequence[Op]) -> tuple[Stage, ...]:
    """Return the stages; carried out in order they have the effect of the sequence."""
    reaches = [_reach(op) for op in sequence]
    kinds = [reach.kind for reach in reaches]
    if max(map(kinds.count, _FOLDED)) < 2:
        return _as_they_come(kinds)
    stages: list[_Growing] = []
    for place, reach in enumerate(reaches):
        first = _earliest(reach, stages)
        for stage in stages[first:]:
            if stage.kind is reach.kind:
                break
        else:
            stage = _Growing(reach.kind)
            stages.insert(first, stage)
        stage.add(place, reach)
    return tuple([Stage(stage.kind, tuple(stage.places)) for stage in stages])


def _as_they_come(kinds: Sequence[Kind]) -> tuple[Stage, ...]:
    """Return the stages of one network: there is nothing to bring together."""
    runs = groupby(range(len(kinds)), kinds.__getitem__)
    return tuple([Stage(kind, tuple(places)) for kind, places in runs])


def kind_of(op: Op) -> Kind:
    """Return how an op is carried out."""
    return _reach(op).kind


def _earliest(reach: _Reach, stages: Sequence[_Growing]) -> int:
    """Return the first stage that an op may join: not before anything that it must follow."""
    kind = reach.kind
    for number in range(len(stages) - 1, -1, -1):
        stage = stages[number]
        if _depends(reach, stage):
            keeps_order = stage.kind is kind and kind is not _LINKS
            return number if keeps_order else number + 1
        if stage.makes_links and reach.makes_link:
            # The order of links shows: they are numbered as they are made.
            return number if stage.kind is kind else number + 1
    return 0


def _depends(reach: _Reach, stage: _Growing) -> bool:
    """Tell whether an op needs one of an earlier stage to have taken effect."""
    if reach.kind is _WAITS:
        return True  # a link is up only when its other end is: whatever came before counts
    if stage.kind is _WAITS:
        return reach.all
    if reach.all or stage.all:
        return True
    return not (
        stage.changes.isdisjoint(reach.changes)
        and stage.changes.isdisjoint(reach.uses)
        and stage.uses.isdisjoint(reach.changes)
    )


_RULES, _ROUTES = ("rules", ""), ("routes", "")
_EVERYTHING = _Reach(_SINGLY, all=True)


def _child(op: ops.AddMacvlan | ops.AddIpvlan) -> _Reach:
    kind = _LINKS if op.parent_where is HOST else _SINGLY
    parent = (op.parent_where, op.parent)
    return _Reach(kind, ((SANDBOX, op.ifname),), (parent,), makes_link=True)


_REACHES: dict[type[Op], Callable[[Any], _Reach]] = {
    ops.AddBridge: lambda op: _Reach(_SINGLY, ((HOST, op.name),)),
    ops.AddVeth: lambda op: _Reach(
        _LINKS,
        ((HOST, op.host_name), (SANDBOX, op.ifname)),
        ((HOST, op.master),),
        makes_link=True,
    ),
    ops.AddMacvlan: _child,
    ops.AddIpvlan: _child,
    ops.Configure: lambda op: _Reach(_SETTINGS, ((SANDBOX, op.ifname), _ROUTES)),
    ops.SetPortVlans: lambda op: _Reach(_SINGLY, ((HOST, op.port),)),
    ops.AddGateway: lambda op: _Reach(_SINGLY, ((HOST, op.link),)),
    ops.AddVlanGateway: lambda op: _Reach(
        _SINGLY, ((HOST, op.name), (HOST, op.peer)), ((HOST, op.bridge),)
    ),
    ops.EnableForwarding: lambda op: _Reach(_SINGLY, (("forwarding", str(op.family)),)),
    ops.SetLink: lambda op: _Reach(_SINGLY, ((op.where, op.name),)),
    ops.AddMasquerade: lambda _: _Reach(_SINGLY, (_RULES,)),
    ops.RemoveMasquerade: lambda _: _Reach(_SINGLY, (_RULES,)),
    ops.AddSpoofCheck: lambda op: _Reach(_SINGLY, (_RULES,), ((HOST, op.port),)),
    ops.RemoveSpoofCheck: lambda _: _Reach(_SINGLY, (_RULES,)),
    ops.WaitOperUp: lambda op: _Reach(_WAITS, (), ((HOST, op.name),)),
    ops.WriteSysctl: lambda _: _EVERYTHING,
    ops.DeleteLink: lambda _: _EVERYTHING,
    ops.ReplaceDefaultRoute: lambda _: _EVERYTHING,
    ops.KeepBackup: lambda _: _EVERYTHING,
    ops.RestoreBackup: lambda _: _EVERYTHING,
}


def _reach(op: Op) -> _Reach:
    return _REACHES[type(op)](op)


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
            self._things.update(reach.changes)
            self._all = self._all or reach.all
            self._any = True

    def touch(self, query: Query) -> bool:
        """Tell whether the answer to a query may be another one afterwards."""
        match query:
            case LinkQuery() | AddressesQuery():
                return self._all or (query.where, query.name) in self._things
            case MasterQuery():
                if query.name:
                    return self._all or (query.where, query.name) in self._things
                # The first default route's device: of the host, no op of ours makes one.
                return query.where is SANDBOX and self._any
            case PortQuery():
                return self._all or (HOST, query.name) in self._things
            case RoutesQuery() | SysctlQuery():
                return self._any


def still_true(heard: Mapping[Query, Fact], later: Sequence[Op]) -> dict[Query, Fact]:
    """Return what was heard without the answers that ops carried out since may have changed."""
    if not heard:
        return {}
    changes = Changes(later)
    return {query: fact for query, fact in heard.items() if not changes.touch(query)}
