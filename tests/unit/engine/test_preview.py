"""What a dry run prints: selections, plugins, addresses and ops, and that nothing happens."""

from __future__ import annotations

import json

import pytest

from polypod.cni.request import Request
from polypod.engine import preview
from polypod.errors import InvalidConfigError
from polypod.plan.facts import Where
from polypod.plan.ops import Configure, RouteSpec, SetLink
from polypod.testing.node import Node


def explained(node: Node, name: str = "p") -> list[str]:
    return list(preview.lines("default", name, node.doors()))


def has(lines: list[str], *words: str) -> bool:
    return any(all(word in line for word in words) for line in lines)


def test_it_says_what_the_pod_asks_for_and_which_definitions_answer(node: Node) -> None:
    asked = json.dumps([{"name": "fixed", "ips": ["10.3.0.7"], "default-route": ["10.3.0.1"]}])
    node.add_pod("default", "p", networks=asked)

    lines = explained(node)

    assert lines[0] == "pod default/p"
    assert has(lines, "annotation k8s.v1.cni.cncf.io/networks:")
    assert has(lines, "net1: default/fixed (secondary)")
    assert has(lines, "asks for default-route 10.3.0.1, ips 10.3.0.7")
    assert has(lines, "Configure(", "10.3.0.7/24")


def test_it_shows_ops_in_order_and_which_of_them_stay(node: Node) -> None:
    node.add_pod("default", "p", networks="br")

    lines = explained(node)

    ops = [line.strip().partition("(")[0] for line in lines if line.startswith("      ")]
    assert ops.index("AddBridge") < ops.index("AddVeth") < ops.index("Configure")
    assert has(lines, "AddBridge(", "(shared: stays on DEL)")
    assert not has(lines, "AddVeth(", "shared")


def test_a_chained_plugin_is_planned_on_the_interface_before_it(node: Node) -> None:
    node.add_pod("default", "p", networks="tuned")

    lines = explained(node)

    assert has(lines, "plugin tuning: built in")
    assert has(lines, "SetLink(", "mtu=1400")


def test_it_changes_nothing(node: Node) -> None:
    node.add_pod("default", "p", networks="mv,br,tuned")
    before = node.world.seen()

    explained(node)

    assert node.world.seen() == before
    assert node.journal.all() == ()
    assert node.status.texts == {}


def test_a_foreign_plugin_is_named_with_where_it_is_looked_for(node: Node) -> None:
    node.add_pod("default", "p", networks="other")

    assert has(explained(node), "plugin vendor: foreign, found in /opt/cni/bin")


def test_the_ops_behind_a_foreign_ipam_are_not_known(node: Node) -> None:
    config = {"cniVersion": "1.0.0", "type": "macvlan", "master": "up0", "ipam": {"type": "dhcp"}}
    node.source.add_definition("default", "far", json.dumps(config))
    node.add_pod("default", "p", networks="far")

    lines = explained(node)

    assert has(lines, "addresses by dhcp (foreign, not found in /opt/cni/bin)")
    assert has(lines, "its ops follow from the lease")


def test_in_the_primary_chain_a_binary_on_the_host_wins(node: Node) -> None:
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"first","type":"bridge","bridge":"b"}'
    node.foreign.add("bridge", b"{}")
    node.add_pod("default", "p")

    lines = explained(node)

    assert has(lines, "eth0: first (primary)")
    assert has(lines, "plugin bridge: foreign")


def test_what_would_fail_is_said_where_it_would(node: Node) -> None:
    config = {"cniVersion": "1.0.0", "type": "macvlan", "master": "none0"}
    node.source.add_definition("default", "bad", json.dumps(config))
    node.add_pod("default", "p", networks="bad,mv")

    lines = explained(node)

    assert has(lines, "would fail: ", "Link not found")
    assert has(lines, "net2: default/mv")


def test_an_unknown_pod_is_refused(node: Node) -> None:
    with pytest.raises(InvalidConfigError, match="there is no pod default/p"):
        explained(node)


def test_a_call_without_a_pod_is_explained_too(node: Node) -> None:
    request: Request = node.sandbox("c1").request("ADD")
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"first","type":"bridge","bridge":"b"}'

    assert has(list(preview.attachments(request, None, node.doors())), "eth0: first")


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (SetLink(where=Where.HOST, name="a", up=True), "SetLink(where=host, name=a, up=True)"),
        (
            Configure(ifname="a", routes=(RouteSpec(dst="10.0.0.0/8"), RouteSpec(dst="::/0"))),
            "Configure(ifname=a, routes=[Route(dst=10.0.0.0/8), Route(dst=::/0)], up=True)",
        ),
    ],
    ids=["plain", "nested"],
)
def test_an_op_is_shown_without_its_defaults(op: object, text: str) -> None:
    assert preview.shown(op) == text


def test_a_network_that_wants_a_device_is_told_of_one_and_nobody_is_asked(node: Node) -> None:
    config = {"cniVersion": "1.0.0", "name": "sriov", "type": "sriov"}
    node.source.add_definition("default", "sriov", json.dumps(config), resource="example.com/nic")
    node.add_pod("default", "p", networks="sriov,sriov")

    lines = explained(node)

    assert has(lines, "asks for", "deviceID example.com/nic-1")
    assert has(lines, "asks for", "deviceID example.com/nic-2")
    assert node.devices.asked == []
