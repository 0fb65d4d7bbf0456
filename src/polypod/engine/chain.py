"""Runs one network's plugins in order: the inner page of an ADD.

Each plugin's turn is look, lease, plan, journal, execute, report. A built-in wins in secondary
networks; in the primary's own chain a binary on the host wins (what users tested stays in force).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from polypod.cni import fields, lists, versions
from polypod.cni.result import Result
from polypod.engine import execute
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Doors, Namespaces
from polypod.errors import ConflictError, NotStartedError, PluginError, PolypodError
from polypod.ipam import IPAM
from polypod.ipam._shape import Ipam, LeaseCall
from polypod.plan.facts import LinkQuery, Where
from polypod.plan.foreign import ForeignCall
from polypod.plan.record import ForeignStep, LeaseStep, PluginStep, Record, Step
from polypod.plugins import PLUGINS
from polypod.plugins._shape import Call, Plugin

NO_RESULT = "failed to unmarshal raw result"
"""What is said of a plugin whose ADD succeeds and prints no JSON object."""


@dataclass(slots=True)
class Progress:
    """The record as it grows; every step is in the journal before it is taken."""

    record: Record
    doors: Doors

    def will(self, step: Step) -> None:
        """Journal a step that is about to be taken; without room for it, it is not taken."""
        grown = msgspec.structs.replace(self.record, steps=(*self.record.steps, step))
        self.doors.journal.put(grown)
        self.record = grown

    def did(self, step: Step) -> None:
        """Replace the newest step by what came of it; the next put makes it durable."""
        self.record = msgspec.structs.replace(self.record, steps=(*self.record.steps[:-1], step))

    def did_not(self) -> None:
        """Take the newest step out: it failed and is undone already."""
        self.record = msgspec.structs.replace(self.record, steps=self.record.steps[:-1])


def add(attachment: Attachment, progress: Progress, namespaces: Namespaces) -> Result:
    """Run every plugin's ADD; the journal holds each step before it happens.

    Raises:
        PolypodError: a plugin failed; its own ops are undone, earlier steps are the caller's.
    """
    network = attachment.network
    result: Result | None = None
    for index in range(len(network.plugins)):
        type_ = fields.text(network.plugins[index], "type")
        try:
            result = _one_plugin(index, type_, result, attachment, progress, namespaces)
        except PolypodError as error:
            if network.is_list:
                error.cause = f'plugin type="{type_}" name="{network.name}" failed (add): {error}'
                error.args = (error.cause,)
            raise
    if result is None:
        raise PluginError(f'network "{network.name}" has no plugins')
    return result


def _one_plugin(
    index: int,
    type_: str,
    before: Result | None,
    attachment: Attachment,
    progress: Progress,
    namespaces: Namespaces,
) -> Result:
    network = attachment.network
    shown = None if before is None else versions.to_json(before, network.cni_version)
    config = lists.plugin_config(
        network, index, prev_result=shown, capability_args=attachment.capabilities
    )
    plugin = _built_in(type_, attachment, progress.doors)
    if plugin is not None:
        call = _call(config, attachment, progress, before)
        return _built_in_add(type_, plugin, call, attachment, progress, namespaces)
    if index == 0:
        _check_ifname(attachment.ifname, namespaces)
    return _foreign_add(type_, config, attachment, progress)


def _check_ifname(ifname: str, namespaces: Namespaces) -> None:
    """Refuse a name that a link of the sandbox has: not every foreign plugin looks."""
    taken = LinkQuery(Where.SANDBOX, ifname)
    if namespaces.look((taken,)).link(Where.SANDBOX, ifname) is not None:
        raise ConflictError(f"interface name {ifname} already exists")


def _built_in(type_: str, attachment: Attachment, doors: Doors) -> Plugin | None:
    plugin = PLUGINS.get(type_)
    if plugin is not None and attachment.is_primary and doors.foreign.has(type_, attachment.path):
        return None
    return plugin


def _call(
    config: Mapping[str, object], attachment: Attachment, progress: Progress, prev: Result | None
) -> Call:
    return Call(
        container_id=progress.record.container_id,
        ifname=attachment.ifname,
        netns=progress.record.netns,
        network=attachment.network.name,
        cni_version=attachment.network.cni_version,
        config=config,
        arguments=attachment.arguments,
        prev_result=prev,
        seed=progress.doors.seed(),
    )


def _built_in_add(
    type_: str,
    plugin: Plugin,
    call: Call,
    attachment: Attachment,
    progress: Progress,
    namespaces: Namespaces,
) -> Result:
    facts = namespaces.look(plugin.reads(call))
    lease = _lease(call, attachment, progress)
    ops = plugin.plan_add(call, facts, lease)
    progress.will(PluginStep(type=type_, ops=ops))
    try:
        made = execute.run(ops, namespaces, progress.doors)
    except PolypodError:
        progress.did_not()
        raise
    progress.did(PluginStep(type=type_, ops=ops, identities=made))
    after = namespaces.look(plugin.reads_after(call, ops))
    return plugin.result(call, ops, after, lease)


def _lease(call: Call, attachment: Attachment, progress: Progress) -> Result | None:
    """Get addresses when the plugin's configuration names an IPAM type."""
    ipam_config = fields.table(call.config, "ipam") or {}
    type_ = fields.text(ipam_config, "type")
    if not type_:
        return None
    ipam = _ipam(type_, attachment, progress.doors)
    if ipam is None:
        return _foreign_add(type_, call.config, attachment, progress)
    lease = lease_call(call)
    directory = ipam.pool_directory(lease)
    if directory is not None:
        progress.will(LeaseStep(type=type_, directory=directory, network=call.network))
    return ipam.add(lease, progress.doors.pools)


def _ipam(type_: str, attachment: Attachment, doors: Doors) -> Ipam | None:
    ipam = IPAM.get(type_)
    if ipam is not None and attachment.is_primary and doors.foreign.has(type_, attachment.path):
        return None
    return ipam


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
    )


def _foreign_add(
    type_: str, config: Mapping[str, object], attachment: Attachment, progress: Progress
) -> Result:
    stdin = msgspec.json.encode(config, order="sorted")
    progress.will(
        ForeignStep(type=type_, config=stdin, arguments=attachment.arguments, path=attachment.path)
    )
    call = ForeignCall(
        type=type_,
        command="ADD",
        container_id=progress.record.container_id,
        netns=progress.record.netns,
        ifname=attachment.ifname,
        arguments=attachment.arguments,
        path=attachment.path,
        stdin=stdin,
    )
    try:
        answer = progress.doors.foreign.run(call)
    except NotStartedError:
        progress.did_not()  # its DEL could not be started either, and nobody would get rid of it
        raise
    answered = {} if answer.strip() == b"null" else fields.decode_object(answer, NO_RESULT)
    version = fields.text(answered, "cniVersion") or attachment.network.cni_version
    return versions.parse(answered, version)
