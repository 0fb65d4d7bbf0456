"""CHECK: what the journal says was made is compared with the kernel.

Nothing journaled means nothing to say: pods attached by somebody else stay healthy.
"""

from __future__ import annotations

import msgspec

from polypod.cni import arguments, fields, lists, versions
from polypod.cni.request import Request
from polypod.engine import batch
from polypod.engine.doors import Caller, Doors, Namespaces
from polypod.ipam import IPAM
from polypod.plan.foreign import ForeignCall
from polypod.plan.record import ForeignStep, PluginStep, Record
from polypod.plugins import PLUGINS, addresses
from polypod.plugins._shape import Call


def check(request: Request, caller: Caller, doors: Doors) -> None:
    """Raise the first difference between a container's attachments and the kernel.

    Raises:
        PluginError: an interface, address or route is not as it was made.
    """
    records = doors.journal.of_container(request.container_id)
    if not records:
        return
    sandbox = request.netns if caller.sandbox is None else caller.sandbox
    with doors.kernel.enter(sandbox=sandbox, host=caller.host) as namespaces:
        for record in records:
            _one(record, doors, namespaces)


def _one(record: Record, doors: Doors, namespaces: Namespaces) -> None:
    network = lists.parse_list(record.config)
    if network.disable_check or not record.result:
        return
    result = versions.parse(fields.decode_object(record.result, "journal"), "1.1.0")
    built_in = {step.type for step in record.steps if isinstance(step, PluginStep)}
    for step in record.steps:
        if isinstance(step, ForeignStep) and step.type not in IPAM:
            _foreign(step, record, doors)
    for index, plugin_config in enumerate(network.plugins):
        type_ = fields.text(plugin_config, "type")
        if type_ not in built_in:
            continue
        config = lists.plugin_config(
            network,
            index,
            prev_result=versions.to_json(result, network.cni_version),
            capability_args={},
        )
        call = Call(
            container_id=record.container_id,
            ifname=record.ifname,
            netns=record.netns,
            network=record.network,
            cni_version=network.cni_version,
            config=config,
            arguments=arguments.render((("IgnoreUnknown", "true"),)),
            prev_result=result,
        )
        plugin = PLUGINS[type_]
        plugin.check(call, namespaces.look(plugin.check_reads(call)))
        _check_lease(type_, call, doors)


def _check_lease(type_: str, call: Call, doors: Doors) -> None:
    ipam = IPAM.get(addresses.leasing_type(type_, call.config))
    if ipam is not None:
        ipam.check(batch.lease_call(call), doors.pools)


def _foreign(step: ForeignStep, record: Record, doors: Doors) -> None:
    config = fields.decode_object(step.config, "journal")
    version = fields.text(config, "cniVersion", "0.1.0")
    if version in {"0.1.0", "0.2.0", "0.3.0", "0.3.1"}:
        return
    result = versions.parse(fields.decode_object(record.result, "journal"), "1.1.0")
    config["prevResult"] = versions.to_json(result, version)
    doors.foreign.run(
        ForeignCall(
            type=step.type,
            command="CHECK",
            container_id=record.container_id,
            netns=record.netns,
            ifname=record.ifname,
            arguments=step.arguments,
            path=step.path,
            stdin=msgspec.json.encode(config, order="sorted"),
        )
    )
