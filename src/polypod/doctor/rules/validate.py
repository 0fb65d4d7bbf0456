"""Asks the built-in plugins themselves whether they take a network's configuration.

What only a pod can complete (addresses of the annotation for `static`, ranges as a capability) is
no fault of the definition.
"""

from __future__ import annotations

from polypod.cni import fields, lists
from polypod.cni.lists import NetworkList
from polypod.cni.result import Interface, Result
from polypod.ipam import IPAM
from polypod.ipam._shape import LeaseCall
from polypod.plugins import PLUGINS
from polypod.plugins._shape import Call

SANDBOX = "/run/netns/x"
POOLED = frozenset({"host-local"})
"""Address plugins whose configuration is whole without a pod."""


def check(network: NetworkList) -> None:
    """Refuse a network whose configuration a built-in plugin refuses, whatever the pod.

    Raises:
        PolypodError: in that plugin's words.
    """
    for index in range(len(network.plugins)):
        config = lists.plugin_config(network, index, prev_result=None, capability_args={})
        _check_plugin(network, config, is_first=index == 0)


def _check_plugin(network: NetworkList, config: dict[str, object], *, is_first: bool) -> None:
    plugin = PLUGINS.get(fields.text(config, "type"))
    if plugin is None:
        return
    made = Result(interfaces=(Interface(name="net1", sandbox=SANDBOX),))
    call = Call(
        container_id="x",
        ifname="net1",
        netns=SANDBOX,
        network=network.name,
        cni_version=network.cni_version,
        config=config,
        prev_result=None if is_first else made,
    )
    plugin.reads(call)
    ipam = fields.text(fields.table(config, "ipam") or {}, "type")
    declared = fields.table(config, "capabilities") or {}
    if ipam in POOLED and declared.get("ipRanges") is not True:
        IPAM[ipam].pool_directory(
            LeaseCall(
                container_id=call.container_id,
                ifname=call.ifname,
                network=call.network,
                cni_version=call.cni_version,
                config=config,
            )
        )
