"""CHECK: the journaled state against the kernel, for all of a pod's networks."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from polypod.errors import PluginError
from polypod.testing.node import Node, Sandbox
from polypod.testing.world import Space

ALL = "tuned,br,fixed,other"


@pytest.fixture
def pod(node: Node) -> Sandbox:
    made = node.add_pod("default", "p", networks=ALL)
    node.add(made)
    return made


def test_what_was_made_is_found(node: Node, pod: Sandbox) -> None:
    before = node.world.seen()

    node.check(pod)

    assert node.world.seen() == before


def without_link(space: Space) -> None:
    space.forget("net1")


def without_address(space: Space) -> None:
    space.addresses["net2"] = ()


def without_route(space: Space) -> None:
    space.routes = tuple(route for route in space.routes if route.device != "net3")


def with_another_mtu(space: Space) -> None:
    space.links["net1"] = replace(space.links["net1"], mtu=1500)


def with_another_mac(space: Space) -> None:
    space.links["net3"] = replace(space.links["net3"], mac="02:ff:ff:ff:ff:ff")


def with_another_sysctl(space: Space) -> None:
    space.sysctls["net/ipv4/conf/net1/arp_filter"] = "0"


@pytest.mark.parametrize(
    "change",
    [
        without_link,
        without_address,
        without_route,
        with_another_mtu,
        with_another_mac,
        with_another_sysctl,
    ],
)
def test_what_was_changed_is_found(
    node: Node, pod: Sandbox, change: Callable[[Space], None]
) -> None:
    change(node.world.sandboxes[pod.netns])

    with pytest.raises(PluginError):
        node.check(pod)


def test_a_lease_that_was_lost_is_found(node: Node, pod: Sandbox) -> None:
    for pool in node.pools.pools.values():
        pool.clear()

    with pytest.raises(PluginError, match="Failed to find address"):
        node.check(pod)


def test_a_network_may_wish_not_to_be_checked(node: Node) -> None:
    config = {
        "cniVersion": "1.0.0",
        "disableCheck": True,
        "plugins": [{"type": "macvlan", "master": "up0"}],
    }
    node.source.add_definition("default", "quiet", json.dumps(config))
    made = node.add_pod("default", "q", networks="quiet")
    node.add(made)
    node.world.sandboxes[made.netns].forget("net1")

    node.check(made)


def test_a_pod_attached_by_somebody_else_stays_healthy(node: Node) -> None:
    node.check(node.sandbox("not-ours"))


def test_the_definition_of_today_is_not_asked(node: Node, pod: Sandbox) -> None:
    node.source.definitions.clear()
    node.source.pods.clear()

    node.check(pod)
