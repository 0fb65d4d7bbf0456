"""Pods that a real runtime starts from real manifests: what they see, and what is left of them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, ip_interface

from tests.e2e.networks import bridge, tuning
from tests.e2e.node import Node
from tests.e2e.view import running

FIXED_MAC = "02:00:00:aa:bb:cc"


def test_a_pod_sees_its_two_extra_networks_until_it_ends(node: Node) -> None:
    pod = node.pod("two", "left,right")

    with running(node, pod) as view:
        links, told = view.links(), node.runtime.address(view.sandbox)
        attached = {row["interface"]: row for row in node.attachments()}

    assert set(links) == {"lo", "eth0", "net1", "net2"}
    assert str(links["eth0"].addresses[0].ip) == told
    assert links["net1"].addresses[0].network == IPv4Network("10.50.0.0/24")
    assert links["net2"].addresses[0].network == IPv4Network("10.60.0.0/24")
    assert set(attached) == {"eth0", "net1", "net2"}
    assert {row["state"] for row in attached.values()} == {"attached"}


def test_network_status_says_what_the_pod_has(node: Node) -> None:
    pod = node.pod("status", "left,right")

    with running(node, pod) as view:
        links, status = view.links(), node.status_of(pod)

    assert [entry["name"] for entry in status] == ["cluster", "default/left", "default/right"]
    assert [entry["interface"] for entry in status] == ["eth0", "net1", "net2"]
    assert [entry.get("default", False) for entry in status] == [True, False, False]
    for entry in status:
        link = links[entry["interface"]]
        assert entry["mac"] == link.mac
        assert entry["ips"] == [str(address.ip) for address in link.addresses]


def test_a_chained_plugin_changes_what_the_one_before_made(node: Node) -> None:
    pod = node.pod("chained", "chain")

    with running(node, pod) as view:
        mtu = view.file("/sys/class/net/net1/mtu")
        arp_filter = view.file("/proc/sys/net/ipv4/conf/net1/arp_filter")
        untouched = view.file("/proc/sys/net/ipv4/conf/eth0/arp_filter")

    assert (mtu, arp_filter, untouched) == ("1400\n", "1\n", "0\n")


def test_the_default_route_goes_where_the_pod_asks(node: Node) -> None:
    asked = [{"name": "left", "default-route": ["10.50.0.1"]}]
    pod, usual = node.pod("routed", asked), node.pod("usual", "left")

    with running(node, pod) as view:
        chosen = view.default_routes()
        entries = node.status_of(pod)
    with running(node, usual) as view:
        kept = view.default_routes()

    assert chosen == [("net1", "10.50.0.1")]
    assert kept == [("eth0", "10.88.0.1")]
    assert entries[1]["interface"] == "net1"


def test_a_fixed_address_and_mac_are_the_pods(node: Node) -> None:
    node.network("fixed", fixed_bridge(), tuning())
    asked = [{"name": "fixed", "ips": ["10.51.0.77/24"], "mac": FIXED_MAC, "interface": "data0"}]
    pod = node.pod("fixed", asked)

    with running(node, pod) as view:
        link = view.links()["data0"]

    assert link.mac == FIXED_MAC
    assert link.addresses == (ip_interface("10.51.0.77/24"),)


def test_a_pod_that_is_started_again_gets_its_networks_again(node: Node) -> None:
    asked = [{"name": "chain", "ips": ["10.51.0.88/24"]}]
    pod = node.pod("again", asked)
    seen: list[tuple[str, ...]] = []

    for _ in range(2):
        with running(node, pod) as view:
            seen.append(tuple(str(address) for address in view.links()["net1"].addresses))

    assert seen == [("10.51.0.88/24",)] * 2


def test_a_sandbox_made_again_lives_beside_the_old_one_and_outlives_it(node: Node) -> None:
    pod = node.pod("remade", "left,right")
    old = node.runtime.run_pod(pod)

    with running(node, replace(pod, attempt=1)) as view:
        before = view.links()
        node.runtime.stop_pod(old)
        node.runtime.remove_pod(old)
        after, status = view.links(), node.status_of(pod)

    assert after == before
    assert [entry["ips"] for entry in status] == [
        [str(after[name].addresses[0].ip)] for name in ("eth0", "net1", "net2")
    ]


def fixed_bridge() -> dict[str, object]:
    return bridge(51, capabilities={"mac": True, "ips": True})
