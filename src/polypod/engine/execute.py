"""Carries out ops, one by one or folded, and takes them back newest first.

Ops go to the kernel or to the store by their type. Undo never stops at its own failure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from polypod.engine import backup
from polypod.engine.doors import Backups, Doors, Namespaces
from polypod.errors import PolypodError
from polypod.plan import fold
from polypod.plan.facts import Fact, LinkQuery, Query, Where
from polypod.plan.fold import Kind
from polypod.plan.ops import (
    LINK_MAKERS,
    Configure,
    Identity,
    KeepBackup,
    LinkMaker,
    Op,
    RestoreBackup,
    WaitOperUp,
)
from polypod.plan.outcome import Done, Effect, Failed, Outcome
from polypod.plan.record import PluginStep


def run(ops: Sequence[Op], namespaces: Namespaces, doors: Doors) -> tuple[Identity | None, ...]:
    """Apply all ops, or none: on failure what was applied is undone before the error goes on.

    Returns:
        What each op made, in the order of ops.
    """
    made: list[Identity | None] = []
    try:
        for op in ops:
            made.append(_apply(op, namespaces, doors.backups))  # noqa: PERF401 - kept on failure
    except BaseException as error:
        for fault in _undo_all(list(zip(ops, made, strict=False)), namespaces, doors.backups):
            error.add_note(f"undo: {fault}")
        raise
    return tuple(made)


def together(sequence: Sequence[Op], namespaces: Namespaces, doors: Doors) -> Outcome:
    """Carry out ops in stages; those of stages after one with a failure are not tried."""
    effects: list[Effect] = [None] * len(sequence)
    heard: dict[Query, Fact] = {}
    for stage in fold.fold(sequence):
        members = [sequence[place] for place in stage.places]
        outcome = _stage(stage.kind, members, namespaces, doors.backups)
        heard = fold.still_true(heard, members)
        heard.update(outcome.heard)
        for place, effect in zip(stage.places, outcome.effects, strict=True):
            effects[place] = effect
        if not outcome.is_complete:
            break
    return Outcome(tuple(effects), heard)


def _stage(kind: Kind, members: Sequence[Op], namespaces: Namespaces, backups: Backups) -> Outcome:
    try:
        match kind:
            case Kind.LINKS:
                return namespaces.make_links(cast("Sequence[LinkMaker]", members))
            case Kind.SETTINGS:
                return namespaces.configure_links(cast("Sequence[Configure]", members))
            case Kind.WAITS:
                return namespaces.wait_all_up(cast("Sequence[WaitOperUp]", members))
            case Kind.SINGLY:
                return _singly(members, namespaces, backups)
    except PolypodError as error:  # nobody knows how far it came: all of it is to be taken back
        return Outcome(tuple(Failed(error, is_partial=True) for _ in members))


def _singly(members: Sequence[Op], namespaces: Namespaces, backups: Backups) -> Outcome:
    effects: list[Effect] = [None] * len(members)
    for place, op in enumerate(members):
        try:
            effects[place] = Done(_apply(op, namespaces, backups))
        except PolypodError as error:
            effects[place] = Failed(error)
            break
    return Outcome(tuple(effects))


def undo(
    step: PluginStep, namespaces: Namespaces, doors: Doors, *, links_are_gone: bool = False
) -> list[PolypodError]:
    """Undo a step's private ops, newest first; return what went wrong on the way."""
    identities = (*step.identities, *([None] * (len(step.ops) - len(step.identities))))
    done = [
        (op, identity)
        for op, identity in zip(step.ops, identities, strict=True)
        if not (links_are_gone and isinstance(op, LINK_MAKERS))
    ]
    return _undo_all(done, namespaces, doors.backups)


def _undo_all(
    done: Sequence[tuple[Op, Identity | None]], namespaces: Namespaces, backups: Backups
) -> list[PolypodError]:
    faults: list[PolypodError] = []
    for op, identity in reversed(done):
        try:
            if isinstance(op, (KeepBackup, RestoreBackup)):
                backups.undo(op)
            else:
                namespaces.undo(op, identity)
        except PolypodError as fault:
            faults.append(fault)
    return faults


def _apply(op: Op, namespaces: Namespaces, backups: Backups) -> Identity | None:
    if isinstance(op, RestoreBackup):
        _restore(op, namespaces, backups)
        return None
    if isinstance(op, KeepBackup):
        backups.apply(op)
        return None
    return namespaces.apply(op)


def _restore(op: RestoreBackup, namespaces: Namespaces, backups: Backups) -> None:
    """Put a link's kept attributes back; a damaged file changes nothing.

    What the link does not take does not hold up DEL: the file stays. It goes with its link.
    """
    content = backups.read(op.directory, op.name)
    if content is None:
        return
    wanted = backup.parse(content, op.ifname)
    try:
        if wanted is not None:
            namespaces.apply(wanted)
    except PolypodError:
        link = LinkQuery(Where.SANDBOX, op.ifname)
        if namespaces.look((link,)).link(link.where, link.name) is not None:
            return
    backups.apply(op)
