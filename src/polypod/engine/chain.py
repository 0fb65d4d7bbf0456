"""Puts the plugins of all networks in order, and those that need not wait for each other together.

The order is the specification's: network after network, the primary first, plugin after plugin.
Built-in turns are gathered and run by batch.py; a foreign plugin, or a plugin that is shown the
result of one that has not run yet, lets what was gathered run first. A built-in wins in secondary
networks; in the primary's own chain a binary on the host wins (what users tested stays in force).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from polypod.cni import fields, idle, lists, remember, versions
from polypod.cni.lists import NetworkList
from polypod.engine import batch, foreign_turn
from polypod.engine.attachment import built_in
from polypod.engine.batch import Turn
from polypod.engine.doors import Doors, Namespaces
from polypod.engine.progress import Progress
from polypod.errors import ConflictError, PluginError
from polypod.ipam import IPAM
from polypod.plan.facts import LinkQuery, Where
from polypod.plugins import PLUGINS, addresses
from polypod.plugins._shape import Call, Plugin


def add(works: Sequence[Progress], namespaces: Namespaces, doors: Doors) -> None:
    """Run every plugin's ADD; results and records are in the progress of each network.

    Raises:
        PolypodError: a plugin failed; what the records have is to be undone by the caller.
    """
    gathered: list[Turn] = []
    for progress in works:
        for place, config in enumerate(progress.attachment.network.plugins):
            type_ = fields.text(config, "type")
            plugin = built_in(PLUGINS, type_, progress.attachment, doors)
            if gathered and (plugin is None or gathered[-1].progress is progress):
                batch.run(gathered, namespaces, doors)
                gathered = []
            with progress.blamed(type_):
                if plugin is None:
                    _foreign_add(place, type_, progress, namespaces, doors)
                else:
                    gathered.append(_turn(place, type_, plugin, progress, doors))
    batch.run(gathered, namespaces, doors)
    for progress in works:
        if progress.result is None:
            raise PluginError(f'network "{progress.attachment.network.name}" has no plugins')


def _is_last(place: int, progress: Progress) -> bool:
    return place == len(progress.attachment.network.plugins) - 1


def _config(place: int, progress: Progress) -> Mapping[str, object]:
    """Return what a plugin of the chain is told, with the result of the one before it."""
    network, before = progress.attachment.network, progress.result
    shown = None if before is None else versions.to_json(before, network.cni_version)
    return lists.plugin_config(
        network, place, prev_result=shown, capability_args=progress.attachment.capabilities
    )


def _foreign_add(
    place: int, type_: str, progress: Progress, namespaces: Namespaces, doors: Doors
) -> None:
    if place == 0:
        _check_ifname(progress.attachment.ifname, namespaces)
    config = _config(place, progress)
    if progress.result is None or not idle.is_idle(config):
        progress.result = foreign_turn.add(type_, config, progress, doors)
    if _is_last(place, progress):
        progress.finish(doors)
        doors.journal.put(progress.record)


def _check_ifname(ifname: str, namespaces: Namespaces) -> None:
    """Refuse a name that a link of the sandbox has: not every foreign plugin looks."""
    taken = LinkQuery(Where.SANDBOX, ifname)
    if namespaces.look((taken,)).link(Where.SANDBOX, ifname) is not None:
        raise ConflictError(f"interface name {ifname} already exists")


def _turn(place: int, type_: str, plugin: Plugin, progress: Progress, doors: Doors) -> Turn:
    told = _told(place, progress)
    call = _call(type_, told, progress, doors)
    return Turn(
        progress=progress,
        type=type_,
        plugin=plugin,
        call=call,
        asked=batch.lease_call(call),
        is_last=_is_last(place, progress),
        ipam_type=told.ipam_type,
        ipam=built_in(IPAM, told.ipam_type, progress.attachment, doors),
    )


class _Told(msgspec.Struct, frozen=True):
    """What a built-in plugin is told, and what was read out of it."""

    config: Mapping[str, object]
    ipam_type: str
    notes: dict[str, object]


def _told(place: int, progress: Progress) -> _Told:
    """Return what a plugin is told: what only the network decides is read once for all pods."""
    attachment = progress.attachment
    if (
        progress.result is None
        and not attachment.capabilities
        and len(attachment.network.raw) <= remember.LIMIT
        and _says_nothing(attachment.arguments)
    ):
        return _told_to_all(attachment.network, place)
    return _read(_config(place, progress))


@lru_cache(maxsize=256)
def _told_to_all(network: NetworkList, place: int) -> _Told:
    return _read(lists.plugin_config(network, place, prev_result=None, capability_args={}))


def _read(config: Mapping[str, object]) -> _Told:
    return _Told(config, addresses.leasing_type(fields.text(config, "type"), config), {})


@lru_cache(maxsize=64)
def _says_nothing(given: str) -> bool:
    """Tell whether CNI_ARGS have nothing that a plugin reads, and are well-formed."""
    return all(
        piece.count("=") == 1 and not piece.startswith(("MAC=", "IP="))
        for piece in given.split(";")
    )


def _call(type_: str, told: _Told, progress: Progress, doors: Doors) -> Call:
    attachment = progress.attachment
    return Call(
        container_id=progress.record.container_id,
        ifname=attachment.ifname,
        netns=progress.record.netns,
        network=attachment.network.name,
        cni_version=attachment.network.cni_version,
        config=told.config,
        arguments=attachment.arguments,
        prev_result=progress.result,
        allowed_sysctls=doors.backups.allowed_sysctls() if type_ == "tuning" else None,
        seed=doors.seed(),
        notes=told.notes,
    )
