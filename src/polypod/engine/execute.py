"""Carries out ops one by one, and takes them back newest first when one fails.

Ops go to the kernel or to the store by their type. Undo never stops at its own failure.
"""

from __future__ import annotations

from collections.abc import Sequence

from polypod.engine import backup
from polypod.engine.doors import Backups, Doors, Namespaces
from polypod.errors import PolypodError
from polypod.plan.facts import LinkQuery, Where
from polypod.plan.ops import Identity, KeepBackup, Op, RestoreBackup
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


def undo(step: PluginStep, namespaces: Namespaces, doors: Doors) -> list[PolypodError]:
    """Undo a step's private ops, newest first; return what went wrong on the way."""
    identities = (*step.identities, *([None] * (len(step.ops) - len(step.identities))))
    return _undo_all(list(zip(step.ops, identities, strict=True)), namespaces, doors.backups)


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
