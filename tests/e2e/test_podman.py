"""podman with our links as its plugins: each network is made, seen by podman, and taken back."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e import traces
from tests.e2e.networks import bridge, macvlan, tuning
from tests.e2e.node import Node
from tests.e2e.podman import NO_CNI, Podman, PodmanError
from tests.e2e.programs import output


@pytest.fixture(scope="module")
def podman(whole_node: Node) -> Podman:
    """podman with the image and two networks."""
    podman = Podman(whole_node)
    try:
        podman("load", "--input", str(whole_node.root / "pod.tar"))
    except PodmanError as error:
        if NO_CNI not in str(error):
            raise
        pytest.skip(f"podman: {NO_CNI}")  # so most distributions build podman 5
    masquerading = {"isGateway": True, "ipMasq": True, "ipMasqBackend": "nftables"}
    podman.network("blue", bridge(50, **masquerading), tuning())
    podman.network("green", macvlan())
    return podman


def inside(said: str) -> dict[str, str]:
    """Return IPv4 addresses by interface from what the image's program prints."""
    found: dict[str, str] = {}
    for line in said.splitlines():
        name, _mac, address = line.split()
        if ":" not in address and name != "lo":
            found[name] = address.partition("/")[0]
    return found


def test_a_container_has_the_address_that_podman_says(node: Node, podman: Podman) -> None:
    with podman.container("one", "blue"):
        podman("start", "one")
        said = podman.addresses("one")
        there = inside(podman("exec", "one", "/pod", "addresses"))
        tuned = podman("exec", "one", "/pod", "show", "/proc/sys/net/ipv4/conf/eth0/arp_filter")
        held = [path.name for path in (node.leases / "blue").glob("10.*")]
        rules = output("nft", "list", "ruleset")
        output("ping", "-c", "1", "-W", "5", said["blue"])

    assert there == {"eth0": said["blue"]}
    assert held == [said["blue"]]
    assert f"ip saddr {said['blue']} " in rules
    assert tuned == "1\n"


@pytest.mark.usefixtures("node")  # which looks for what is left
def test_a_container_in_two_networks_has_an_interface_in_each(podman: Podman) -> None:
    with podman.container("two", "blue,green"):
        podman("start", "two")
        said = podman.addresses("two")
        there = inside(podman("exec", "two", "/pod", "addresses"))

    assert set(said) == {"blue", "green"}
    assert set(there) == {"eth0", "eth1"}
    assert set(there.values()) == set(said.values())  # podman says in no order which is eth0


def test_a_container_that_ends_by_itself_keeps_nothing_until_it_is_removed(
    node: Node, podman: Podman
) -> None:
    before = traces.read(node)

    with podman.container("brief", "blue,green", "addresses"):
        podman("start", "brief")
        podman("wait", "brief")
        traces.assert_none(node, before)
        there = inside(podman("logs", "brief"))

    assert set(there) == {"eth0", "eth1"}


BROKEN = {
    "subnet": (
        [bridge(50, ipam={"type": "host-local", "subnet": "10.50.0.0/33"})],
        "cni plugin bridge failed: invalid CIDR address: 10.50.0.0/33",
    ),
    "master": ([macvlan(master="absent0")], "cni plugin macvlan failed: Link not found"),
    "chained": (
        [bridge(50), {"type": "tuning", "sysctl": {"kernel.panic": "1"}}],
        'cni plugin tuning failed: invalid net sysctl key: "kernel/panic"',
    ),
}


@pytest.mark.parametrize(("plugins", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_network_that_cannot_be_made_is_explained_and_takes_the_other_along(
    node: Node, podman: Podman, plugins: list[dict[str, Any]], cause: str
) -> None:
    podman.network("broken", *plugins)
    before = traces.read(node)

    with podman.container("never", "blue,broken"):
        with pytest.raises(PodmanError) as refused:
            podman("start", "never")
        traces.assert_none(node, before)

    assert cause in str(refused.value)
