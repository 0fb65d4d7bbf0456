"""Takes attachments back from their records alone: the inner page of DEL, rollback and recovery.

Links of one sandbox go as a group when no foreign plugin has a say; leases go last, so that an
address is free only when its interface is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from polypod.cni import fields, versions
from polypod.engine import execute
from polypod.engine.doors import Caller, Doors, Namespaces
from polypod.errors import PolypodError
from polypod.ipam._shape import Pools
from polypod.plan.foreign import ForeignCall
from polypod.plan.ops import LINK_MAKERS, Identity
from polypod.plan.record import DeviceStep, ForeignStep, LeaseStep, PluginStep, Record


def sandbox_of(records: Sequence[Record], caller: Caller, doors: Doors) -> int | str | None:
    """Return the namespace to enter: the caller's, or, after this boot, the recorded path."""
    if caller.sandbox is not None:
        return caller.sandbox
    for record in records:
        if record.netns and record.boot_id == doors.settings.boot_id:
            return record.netns
    return None


def records(found: Sequence[Record], caller: Caller, doors: Doors) -> list[PolypodError]:
    """Undo records, newest first, and forget each one that went well.

    Returns:
        What went wrong; the records concerned stay in the journal for the next try.
    """
    newest_first = sorted(found, key=lambda record: record.position, reverse=True)
    faults: list[PolypodError] = []
    gone: list[Record] = []
    with doors.kernel.enter(
        sandbox=sandbox_of(newest_first, caller, doors), host=caller.host
    ) as namespaces:
        as_a_group = not any(_is_foreign(record) for record in newest_first)
        cookie = namespaces.cookie
        here = [_is_here(record, cookie, doors) for record in newest_first]
        if as_a_group:
            _delete_links(list(itertools.compress(newest_first, here)), namespaces)
        for record, is_here in zip(newest_first, here, strict=True):
            failed = _one(record, namespaces, doors, is_here=is_here, links_are_gone=as_a_group)
            faults.extend(failed)
            if not failed:
                gone.append(record)
    if gone:
        doors.journal.remove(*gone)
    return faults


def _is_foreign(record: Record) -> bool:
    return any(isinstance(step, ForeignStep) for step in record.steps)


def _is_here(record: Record, cookie: int, doors: Doors) -> bool:
    """Tell whether a sandbox is the one of the record: names and inodes are reused."""
    if record.boot_id != doors.settings.boot_id:
        return False
    return not (record.cookie and cookie and record.cookie != cookie)


def _delete_links(found: Sequence[Record], namespaces: Namespaces) -> None:
    links: list[tuple[str, Identity | None]] = []
    for record in found:
        for step in record.steps:
            if isinstance(step, PluginStep):
                links.extend(
                    (record.ifname, identity)
                    for op, identity in itertools.zip_longest(step.ops, step.identities)
                    if isinstance(op, LINK_MAKERS)
                )
    if links:
        namespaces.delete_links(links)


def _one(
    record: Record, namespaces: Namespaces, doors: Doors, *, is_here: bool, links_are_gone: bool
) -> list[PolypodError]:
    faults: list[PolypodError] = []
    for step in reversed(record.steps):
        try:
            match step:
                case PluginStep():
                    faults.extend(
                        execute.undo(step, namespaces, doors, links_are_gone=links_are_gone)
                        if is_here
                        else _plugin_elsewhere(step, doors)
                    )
                case LeaseStep():
                    _release(step, record, doors.pools)
                case ForeignStep():
                    there = is_here and (namespaces.cookie != 0 or not record.cookie)
                    _foreign(step, record, doors, is_here=there)
                case DeviceStep():
                    if doors.device_files is not None:
                        doors.device_files.remove(step.file)
        except PolypodError as fault:
            faults.append(fault)
    return faults


def _plugin_elsewhere(step: PluginStep, doors: Doors) -> list[PolypodError]:
    """Undo what is in the host: the sandbox is gone, and its links went with it."""
    with doors.kernel.enter(sandbox=None, host=None) as host_only:
        return execute.undo(step, host_only, doors, links_are_gone=True)


def _release(step: LeaseStep, record: Record, pools: Pools) -> None:
    with pools.locked(step.directory, step.network) as pool:
        pool.release(record.container_id, record.ifname)


def _foreign(step: ForeignStep, record: Record, doors: Doors, *, is_here: bool) -> None:
    doors.foreign.run(
        ForeignCall(
            type=step.type,
            command="DEL",
            container_id=record.container_id,
            netns=record.netns if is_here else "",
            ifname=record.ifname,
            arguments=step.arguments,
            path=step.path,
            stdin=_with_result(step, record),
        )
    )


def _with_result(step: ForeignStep, record: Record) -> bytes:
    """Return the DEL configuration: from 0.4.0 the final result is shown as prevResult."""
    config = fields.decode_object(step.config, "journal")
    version = fields.text(config, "cniVersion", "0.1.0")
    if version in {"0.1.0", "0.2.0", "0.3.0", "0.3.1"}:
        config.pop("prevResult", None)
    elif record.result:
        result = versions.parse(fields.decode_object(record.result, "journal"), "1.1.0")
        config["prevResult"] = versions.to_json(result, version)
    return msgspec.json.encode(config, order="sorted")
