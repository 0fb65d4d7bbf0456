"""ADD: what it leaves in the world, which plugins serve it, and whom it refuses."""

from __future__ import annotations

import json
import threading

import pytest
from tests.unit.engine.failing import fails, left

from polypod.engine import attach
from polypod.engine.doors import Caller
from polypod.errors import ConflictError, ForeignError, InvalidConfigError, InvalidNetnsError
from polypod.testing.node import CONFIG, Node


def test_each_network_is_an_interface_in_the_order_of_the_annotation(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv,br,fixed@storage")

    answer = node.add(pod)

    links = node.world.sandboxes[pod.netns].links
    assert [(name, link.kind) for name, link in links.items() if name != "lo"] == [
        ("net1", "macvlan"),
        ("net2", "veth"),
        ("storage", "macvlan"),
    ]
    assert answer["ips"] == [
        {"address": "10.1.0.2/24", "gateway": "10.1.0.1", "interface": 0},
    ]
    shown = [entry["interface"] for entry in json.loads(node.status.texts["default", "p"])]
    assert shown == ["net1", "net2", "storage"]


def test_a_pod_without_networks_and_primary_is_answered_and_left_as_it_is(node: Node) -> None:
    pod = node.add_pod("default", "p")

    answer = node.add(pod)

    assert answer["interfaces"] == [{"name": "eth0", "sandbox": pod.netns}]
    assert list(node.world.sandboxes[pod.netns].links) == ["lo"]
    assert node.status.texts == {}


def test_a_second_add_of_a_container_is_refused_and_changes_nothing(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv,br")
    node.add(pod)
    before = left(node)

    error = fails(node, pod, "interface name eth0 already exists")

    assert isinstance(error, ConflictError)
    assert left(node) == before


def test_a_container_may_be_added_again_after_its_delete(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv")
    node.add(pod)
    node.delete(pod)

    answer = node.add(pod)

    assert answer["interfaces"] is not None


def test_another_pod_of_the_same_name_is_refused(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv", uid="old")
    node.source.add_pod("default", "p", uid="new", annotations={})

    error = fails(node, pod, 'expected pod UID "old" but got "new"')

    assert isinstance(error, ConflictError)


def test_a_sandbox_made_again_lives_beside_the_old_one(node: Node) -> None:
    old = node.add_pod("default", "p", networks="mv,br", uid="u")
    new = node.sandbox("second", namespace="default", pod="p", uid="u")
    node.add(old)
    node.add(new)
    both = node.world.sandboxes[new.netns].links.copy()
    addresses = dict(node.pools.held())

    node.delete(old)

    assert node.world.sandboxes[new.netns].links == both
    assert list(node.world.sandboxes[old.netns].links) == ["lo"]
    assert {a for a, owner in addresses.items() if owner.startswith("second")} == set(
        node.pools.held()
    )
    assert ("default", "p") in node.status.texts
    node.delete(new)
    assert node.status.texts == {}


def test_a_fixed_address_that_is_still_held_can_be_tried_again(node: Node) -> None:
    asked = '[{"name":"fixed","ips":["10.3.0.9"],"mac":"02:00:00:00:00:09"}]'
    old = node.add_pod("default", "p", networks=asked)
    new = node.sandbox("second", namespace="default", pod="p")
    node.add(old)
    before = left(node)

    error = fails(node, new, "requested IP address 10.3.0.9 is not available")

    assert error.code == 999
    assert left(node) == before
    node.delete(old)
    assert node.add(new)["ips"] == [
        {"address": "10.3.0.9/24", "gateway": "10.3.0.1", "interface": 0}
    ]


def test_a_sandbox_that_is_the_host_is_refused(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv")
    node.world.sandboxes[pod.netns] = node.world.host

    with pytest.raises(InvalidNetnsError, match="should not be the same"):
        node.add(pod)
    assert node.journal.all() == ()


def test_a_descriptor_wins_over_the_path(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv")
    node.world.descriptors[7] = node.world.sandbox("/elsewhere")

    attach.attach(pod.request("ADD"), Caller(sandbox=7), node.doors())

    assert "net1" in node.world.sandboxes["/elsewhere"].links
    assert "net1" not in node.world.sandboxes[pod.netns].links


@pytest.mark.parametrize("version", ["0.1.0", "0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_the_answer_is_in_the_callers_version(node: Node, version: str) -> None:
    pod = node.add_pod("default", "p", networks="mv")

    answer = node.add(pod, {**CONFIG, "cniVersion": version})

    assert answer["cniVersion"] == version
    assert "10.1.0.2/24" in json.dumps(answer)


def test_the_primary_takes_the_hosts_plugin_and_a_secondary_the_built_in(node: Node) -> None:
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"cbr0","type":"bridge","bridge":"cni0"}'
    node.foreign.add("bridge", b'{"cniVersion":"1.0.0"}')
    pod = node.add_pod("default", "p", networks="br")

    node.add(pod)
    node.foreign.scripts.pop("bridge")
    with pytest.raises(ForeignError):
        node.delete(pod)  # what did the ADD does the DEL
    node.foreign.add("bridge")
    node.delete(pod)

    assert [(call.command, call.ifname) for call in node.foreign.calls] == [
        ("ADD", "eth0"),
        ("DEL", "eth0"),
    ]
    assert "br0" in node.world.host.links
    assert "cni0" not in node.world.host.links


def test_the_primary_falls_back_to_the_built_in_plugin(node: Node) -> None:
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"cbr0","type":"bridge","bridge":"cni0"}'

    node.add(node.add_pod("default", "p"))

    assert "cni0" in node.world.host.links


def test_a_foreign_ipam_serves_a_built_in_plugin(node: Node) -> None:
    config = {"cniVersion": "1.0.0", "type": "macvlan", "master": "up0", "ipam": {"type": "dhcpd"}}
    node.source.add_definition("default", "dhcp", json.dumps(config))
    node.foreign.add("dhcpd", b'{"cniVersion":"1.0.0","ips":[{"address":"10.9.0.2/24"}]}')
    pod = node.add_pod("default", "p", networks="dhcp")

    node.add(pod)
    node.check(pod)
    node.delete(pod)

    assert [(call.command, call.type) for call in node.foreign.calls] == [
        ("ADD", "dhcpd"),
        ("CHECK", "dhcpd"),
        ("DEL", "dhcpd"),
    ]


@pytest.mark.parametrize(
    "config",
    [
        '{"type":"polypod"}',
        '{"type":"multus"}',
        '{"plugins":[{"type":"bridge"},{"type":"multus-shim"}]}',
    ],
)
def test_a_network_never_names_a_meta_plugin(node: Node, config: str) -> None:
    node.source.add_definition("default", "loop", config)

    error = fails(node, node.add_pod("default", "p", networks="loop"), "names a meta-plugin")

    assert isinstance(error, InvalidConfigError)


def test_pods_at_once_get_addresses_of_their_own(node: Node) -> None:
    pods = [node.add_pod("default", f"p{number}", networks="mv,br") for number in range(32)]
    threads = [threading.Thread(target=node.add, args=(pod,)) for pod in pods]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(node.pools.held()) == 64
    assert len(node.journal.all()) == 64
    for pod in pods:
        node.delete(pod)
    assert node.pools.held() == {}


def test_cni_args_of_the_annotation_reach_the_plugin(node: Node) -> None:
    node.source.add_definition(
        "default", "static", '{"cniVersion":"1.0.0","type":"macvlan","master":"up0",'
        '"ipam":{"type":"static"}}'
    )  # fmt: skip
    asked = json.dumps([{"name": "static", "cni-args": {"ips": ["10.7.0.7/24"]}}])
    pod = node.add_pod("default", "p", networks=asked)

    assert node.add(pod)["ips"] == [{"address": "10.7.0.7/24", "interface": 0}]
