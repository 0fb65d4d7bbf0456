"""One plugin called by its own name: no journal, no pod, and a failed ADD leaves nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from polypod.engine import single
from polypod.engine.doors import Caller
from polypod.errors import ForeignError, InvalidNetnsError, PluginError
from polypod.plan import ops
from polypod.plan.facts import Link
from polypod.plan.foreign import ForeignCall
from polypod.testing.node import Node, Sandbox

POOL = {"type": "host-local", "subnet": "10.1.0.0/24"}
MACVLAN = {"type": "macvlan", "master": "up0", "ipam": POOL}
BRIDGE = {
    "type": "bridge", "bridge": "br0", "isGateway": True, "ipMasq": True, "macspoofchk": True,
    "ipam": POOL,
}  # fmt: skip
DHCP = {"type": "macvlan", "master": "up0", "ipam": {"type": "dhcpd"}}


@pytest.fixture
def sandbox(node: Node) -> Sandbox:
    return node.sandbox("c1")


def called(
    node: Node,
    sandbox: Sandbox,
    command: str,
    config: dict[str, Any],
    *,
    type_: str = "",
    **more: Any,
) -> dict[str, Any]:
    whole = {"cniVersion": "1.0.0", "name": "n", **config, **more}
    answer = single.call(
        type_ or str(config["type"]), sandbox.request(command, whole), node.doors(), Caller()
    )
    return dict(json.loads(answer)) if answer else {}


def state(node: Node) -> object:
    return node.world.seen(), node.pools.held(), dict(node.backups.contents)


@pytest.mark.parametrize("config", [MACVLAN, BRIDGE], ids=["macvlan", "bridge"])
def test_add_check_and_delete(node: Node, sandbox: Sandbox, config: dict[str, Any]) -> None:
    if config["type"] == "bridge":  # the bridge is shared: made once, and kept
        keeper = node.sandbox("keeper")
        called(node, keeper, "ADD", config)
        called(node, keeper, "DEL", config)
        node.world.destroy(keeper.netns)
    before = state(node)

    result = called(node, sandbox, "ADD", config)
    called(node, sandbox, "CHECK", config, prevResult=result)
    for _ in range(2):
        called(node, sandbox, "DEL", config)

    assert result["ips"][0]["address"].startswith("10.1.0.")
    assert state(node) == before
    assert node.journal.all() == ()


@pytest.mark.parametrize("op", [ops.AddMacvlan, ops.Configure])
def test_a_failed_add_leaves_nothing(node: Node, sandbox: Sandbox, op: type[ops.KernelOp]) -> None:
    before = state(node)
    node.kernel.refuse[op] = PluginError("the kernel says no")

    with pytest.raises(PluginError, match="the kernel says no"):
        called(node, sandbox, "ADD", MACVLAN)

    assert state(node) == before


def test_a_result_that_cannot_be_said_leaves_nothing(node: Node, sandbox: Sandbox) -> None:
    before = state(node)

    with pytest.raises(PluginError, match="no valid IP addresses"):
        called(node, sandbox, "ADD", {"type": "macvlan", "master": "up0"}, cniVersion="0.2.0")

    assert state(node) == before


def test_what_cannot_be_undone_is_told(node: Node, sandbox: Sandbox) -> None:
    def script(call: ForeignCall) -> bytes:
        if call.command == "DEL":
            raise ForeignError("still busy")
        return b'{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]}'

    node.foreign.add("dhcpd", script)
    node.kernel.refuse[ops.AddMacvlan] = PluginError("the kernel says no")

    with pytest.raises(PluginError, match="the kernel says no") as raised:
        called(node, sandbox, "ADD", DHCP)

    assert raised.value.__notes__ == ["undo: still busy"]


def test_an_ipam_that_is_not_built_in_is_asked(node: Node, sandbox: Sandbox) -> None:
    node.foreign.add("dhcpd", b'{"ips":[{"address":"10.9.0.2/24"}]}')

    result = called(node, sandbox, "ADD", DHCP)
    called(node, sandbox, "CHECK", DHCP, prevResult=result)
    called(node, sandbox, "STATUS", DHCP, cniVersion="1.1.0")
    called(node, sandbox, "DEL", DHCP)

    assert [call.command for call in node.foreign.calls] == ["ADD", "CHECK", "STATUS", "DEL"]
    assert node.foreign.stdin(0)["ipam"] == {"type": "dhcpd"}
    assert result["ips"] == [{"address": "10.9.0.2/24", "interface": 0}]


def test_an_ipam_is_a_plugin_too(node: Node, sandbox: Sandbox) -> None:
    config = {"ipam": POOL, "type": "macvlan"}

    result = called(node, sandbox, "ADD", config, type_="host-local")
    called(node, sandbox, "CHECK", config, type_="host-local", prevResult=result)
    assert node.pools.held() == {"10.1.0.2": "c1\r\neth0"}
    called(node, sandbox, "DEL", config, type_="host-local")

    assert result["ips"] == [{"address": "10.1.0.2/24", "gateway": "10.1.0.1"}]
    assert node.pools.held() == {}


def test_an_ipam_result_that_cannot_be_said_frees_the_address(node: Node, sandbox: Sandbox) -> None:
    config = {"ipam": {"type": "static", "addresses": []}, "type": "macvlan"}

    with pytest.raises(PluginError):
        called(node, sandbox, "ADD", config, type_="static", cniVersion="0.2.0")

    assert node.pools.held() == {}


@pytest.mark.parametrize("command", ["GC", "STATUS"])
@pytest.mark.parametrize("type_", ["macvlan", "host-local"])
def test_a_plugin_that_keeps_nothing_has_nothing_to_say(
    node: Node, sandbox: Sandbox, command: str, type_: str
) -> None:
    before = state(node)

    assert called(node, sandbox, command, MACVLAN, type_=type_, cniVersion="1.1.0") == {}

    assert state(node) == before
    assert node.foreign.calls == []


def test_a_type_that_is_not_built_in_is_refused(node: Node, sandbox: Sandbox) -> None:
    with pytest.raises(PluginError, match="there is no built-in plugin 'vendor'"):
        called(node, sandbox, "ADD", {"type": "vendor"})


@pytest.mark.parametrize("command", ["ADD", "CHECK"])
def test_a_namespace_that_is_not_there_is_an_error(node: Node, command: str) -> None:
    gone = Sandbox(container_id="c1", netns="/run/netns/gone")
    before = state(node)

    with pytest.raises(InvalidNetnsError, match=r'failed to open netns "/run/netns/gone": failed'):
        called(node, gone, command, MACVLAN, prevResult={"cniVersion": "1.0.0"})

    assert state(node) == before


def test_a_delete_without_its_namespace_frees_the_lease(node: Node, sandbox: Sandbox) -> None:
    called(node, sandbox, "ADD", MACVLAN)
    node.world.destroy(sandbox.netns)

    called(node, sandbox, "DEL", MACVLAN)

    assert node.pools.held() == {}


def test_the_callers_own_namespace_is_refused(node: Node, sandbox: Sandbox) -> None:
    node.world.sandboxes[sandbox.netns] = node.world.host

    with pytest.raises(InvalidNetnsError, match="should not be the same"):
        called(node, sandbox, "ADD", MACVLAN)


TUNING = {"type": "tuning", "mtu": 1400, "promisc": True, "dataDir": "/run/cni/tuning"}


def tuned(node: Node, sandbox: Sandbox) -> None:
    link = Link(name="eth0", index=50, mtu=1500, mac="02:00:00:00:00:50")
    node.world.add(node.world.sandboxes[sandbox.netns], link)
    before = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": sandbox.netns}]}
    called(node, sandbox, "ADD", TUNING, prevResult=before)


def test_tuning_puts_back_what_its_backup_says(node: Node, sandbox: Sandbox) -> None:
    tuned(node, sandbox)
    links = node.world.sandboxes[sandbox.netns].links
    changed = links["eth0"]

    called(node, sandbox, "DEL", TUNING)

    assert (changed.mtu, changed.promisc) == (1400, True)
    assert (links["eth0"].mtu, links["eth0"].promisc) == (1500, False)
    assert node.backups.contents == {}


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"mtu":"x"}', '{"mtu":-1}', '{"mac":1}', "\x00"]
)
def test_a_damaged_backup_changes_nothing(node: Node, sandbox: Sandbox, content: str) -> None:
    tuned(node, sandbox)
    (key,) = node.backups.contents
    node.backups.contents[key] = content

    called(node, sandbox, "DEL", TUNING)

    assert node.world.sandboxes[sandbox.netns].links["eth0"].mtu == 1400


def test_a_backup_that_the_link_does_not_take_stays(node: Node, sandbox: Sandbox) -> None:
    tuned(node, sandbox)
    node.kernel.refuse[ops.SetLink] = PluginError("the kernel says no")

    called(node, sandbox, "DEL", TUNING)

    assert len(node.backups.contents) == 1


def test_without_a_backup_there_is_nothing_to_put_back(node: Node, sandbox: Sandbox) -> None:
    tuned(node, sandbox)
    node.backups.contents.clear()

    called(node, sandbox, "DEL", TUNING)

    assert node.world.sandboxes[sandbox.netns].links["eth0"].mtu == 1400


def test_an_undo_that_fails_is_told_beside_the_reason(node: Node, sandbox: Sandbox) -> None:
    node.kernel.refuse[ops.Configure] = PluginError("the kernel says no")
    node.kernel.refuse_undo[ops.AddMacvlan] = PluginError("and will not take it back")

    with pytest.raises(PluginError, match="the kernel says no") as raised:
        called(node, sandbox, "ADD", MACVLAN)

    assert raised.value.__notes__ == ["undo: and will not take it back"]


def test_a_backup_of_a_link_that_is_gone_goes(node: Node, sandbox: Sandbox) -> None:
    tuned(node, sandbox)
    node.world.remove(node.world.sandboxes[sandbox.netns], "eth0")

    called(node, sandbox, "DEL", TUNING)

    assert node.backups.contents == {}


def test_a_descriptor_wins_over_the_path(node: Node, sandbox: Sandbox) -> None:
    node.world.descriptors[7] = node.world.sandbox("/elsewhere")
    request = replace(sandbox, netns="/nonexistent").request(
        "ADD", {"cniVersion": "1.0.0", "name": "n", **MACVLAN}
    )

    single.call("macvlan", request, node.doors(), Caller(sandbox=7))

    assert "eth0" in node.world.sandboxes["/elsewhere"].links
