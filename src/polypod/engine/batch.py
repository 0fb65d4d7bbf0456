"""Runs turns of built-in plugins together: look, lease, plan, journal, carry out, report.

Called by chain.py with turns of different networks that follow each other. Facts are asked for
once; a turn whose facts the plans before it change waits until those are carried out. When one
fails nothing more is tried, the error names its network, and taking back is the caller's.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Mapping, Sequence

import msgspec

from polypod.cni.result import Result
from polypod.engine import execute, foreign_turn
from polypod.engine.doors import Doors, Namespaces
from polypod.engine.progress import Progress, will
from polypod.errors import StorageError
from polypod.ipam._shape import Ipam, LeaseCall
from polypod.plan import fold
from polypod.plan.facts import Fact, Facts, Query
from polypod.plan.ops import Identity, Op
from polypod.plan.outcome import Done, Effect, Failed
from polypod.plan.record import LeaseStep, PluginStep
from polypod.plugins._shape import Call, Plugin


class Turn(msgspec.Struct, kw_only=True):
    """One built-in plugin's turn in one network's chain."""

    progress: Progress
    type: str
    plugin: Plugin
    call: Call
    is_last: bool
    """Its result is the network's."""
    ipam_type: str = ""
    ipam: Ipam | None = None
    """None without addresses, or when the IPAM plugin is a foreign one."""
    asked: LeaseCall
    """What the IPAM is asked."""
    queries: tuple[Query, ...] = ()
    lease: Result | None = None
    ops: tuple[Op, ...] = ()

    @property
    def has_foreign_ipam(self) -> bool:
        """Tell whether somebody else's binary gives the addresses."""
        return bool(self.ipam_type) and self.ipam is None


def run(turns: Sequence[Turn], namespaces: Namespaces, doors: Doors) -> None:
    """Take the turns in order, and leave each network's result in its progress.

    Raises:
        PolypodError: a turn failed; records have what took effect and must be undone.
    """
    if turns:
        with doors.baton.held:
            _run(turns, namespaces, doors)


def _run(turns: Sequence[Turn], namespaces: Namespaces, doors: Doors) -> None:
    _expect_leases(turns, doors)
    facts = namespaces.look([query for turn in turns for query in turn.queries])
    planned: list[Turn] = []
    changes = fold.Changes()
    for turn in turns:
        # A plan must not rest on facts that the plans before it are about to change.
        is_stale = any(changes.touch(query) for query in turn.queries)
        if planned and (is_stale or turn.has_foreign_ipam):
            _carry_out(planned, namespaces, doors)
            planned, changes = [], fold.Changes()
        with turn.progress.blamed(turn.type):
            known = namespaces.look(turn.queries) if is_stale else facts
            turn.lease = _lease(turn, doors)
            turn.ops = turn.plugin.plan_add(turn.call, known, turn.lease)
        planned.append(turn)
        changes.add(turn.ops)
    _carry_out(planned, namespaces, doors)


def _expect_leases(turns: Sequence[Turn], doors: Doors) -> None:
    """Validate every configuration, then journal the leases that will be taken."""
    steps: list[tuple[Progress, LeaseStep]] = []
    for turn in turns:
        with turn.progress.blamed(turn.type):
            turn.queries = turn.plugin.reads(turn.call)
            directory = turn.ipam.pool_directory(turn.asked) if turn.ipam else None
            if directory is not None:
                step = LeaseStep(
                    type=turn.ipam_type, directory=directory, network=turn.call.network
                )
                steps.append((turn.progress, step))
    with turns[0].progress.blamed(turns[0].type):
        will(steps, doors)


def _lease(turn: Turn, doors: Doors) -> Result | None:
    """Get addresses when the plugin's configuration names an IPAM type."""
    if turn.has_foreign_ipam:
        with doors.baton.aside:
            return foreign_turn.add(turn.ipam_type, turn.call.config, turn.progress, doors)
    return turn.ipam.add(turn.asked, doors.pools) if turn.ipam else None


def lease_call(call: Call) -> LeaseCall:
    """Return what the IPAM of this call is asked."""
    return LeaseCall(
        container_id=call.container_id,
        ifname=call.ifname,
        network=call.network,
        cni_version=call.cni_version,
        config=call.config,
        arguments=call.arguments,
        prev_result=call.prev_result,
        notes=call.notes,
    )


def _carry_out(turns: Sequence[Turn], namespaces: Namespaces, doors: Doors) -> None:
    with turns[0].progress.blamed(turns[0].type):
        will([(t.progress, PluginStep(type=t.type, ops=t.ops)) for t in turns], doors)
    outcome = execute.together([op for turn in turns for op in turn.ops], namespaces, doors)
    effects = iter(outcome.effects)
    parts = [tuple(itertools.islice(effects, len(turn.ops))) for turn in turns]
    for turn, part in zip(turns, parts, strict=True):
        _note(turn, part)
    if not outcome.is_complete:
        _raise_first(turns, parts, doors)
    _report(turns, outcome.heard, namespaces)
    for turn in turns:
        if turn.is_last:
            turn.progress.finish(doors)
    with turns[-1].progress.blamed(turns[-1].type):
        doors.journal.put(*(turn.progress.record for turn in turns))


def _note(turn: Turn, effects: Sequence[Effect]) -> None:
    """Keep in the record what took effect, and nothing else: the rest is not ours to undo."""
    made: list[tuple[Op, Identity | None]] = [
        (op, effect.identity)
        for op, effect in zip(turn.ops, effects, strict=True)
        if isinstance(effect, Done) or (isinstance(effect, Failed) and effect.is_partial)
    ]
    if made or not turn.ops:
        ops, identities = [op for op, _ in made], [identity for _, identity in made]
        turn.progress.did(PluginStep(type=turn.type, ops=tuple(ops), identities=tuple(identities)))
    else:
        turn.progress.did_not()


def _raise_first(turns: Sequence[Turn], parts: Sequence[tuple[Effect, ...]], doors: Doors) -> None:
    """Raise the failure of the first network that has one; the others are notes."""
    with contextlib.suppress(StorageError):  # what stands there already can be undone too
        doors.journal.put(*(turn.progress.record for turn in turns))
    failed = [
        (turn, effect.error)
        for turn, part in zip(turns, parts, strict=True)
        for effect in part
        if isinstance(effect, Failed)
    ]
    turn, error = failed[0]
    for _, other in failed[1:]:
        if other is not error:
            error.add_note(str(other))
    with turn.progress.blamed(turn.type):
        raise error


def _report(turns: Sequence[Turn], heard: Mapping[Query, Fact], namespaces: Namespaces) -> None:
    """Let every plugin report; what the kernel told on the way is not asked again."""
    wanted = {
        query: None for turn in turns for query in turn.plugin.reads_after(turn.call, turn.ops)
    }
    asked = namespaces.look([query for query in wanted if query not in heard])
    facts = Facts({**asked.answers, **heard})
    for turn in turns:
        with turn.progress.blamed(turn.type):
            turn.progress.result = turn.plugin.result(turn.call, turn.ops, facts, turn.lease)
