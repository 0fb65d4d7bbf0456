"""The default route that a pod's annotation asks for: rows M.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference edits a
file of cached results; here the results themselves are changed, in whatever version they came.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from polypod.cni import versions
from polypod.engine import routes
from polypod.errors import InvalidAnnotationError
from polypod.plan.facts import Address, Link, RouteFact
from polypod.plan.ops import ReplaceDefaultRoute
from polypod.testing.kernel import FakeKernel
from polypod.testing.node import Node, Sandbox
from polypod.testing.world import World

V4, V6 = "0.0.0.0/0", "::/0"


def static(*addresses: str, default: tuple[str, ...] = ()) -> dict[str, Any]:
    return {
        "type": "static",
        "addresses": [{"address": address} for address in addresses],
        "routes": [{"dst": V6 if ":" in gw else V4, "gw": gw} for gw in default],
    }


def macvlan(name: str, ipam: dict[str, Any]) -> str:
    config = {
        "cniVersion": "1.0.0", "name": name, "type": "macvlan", "master": "up0", "ipam": ipam,
    }  # fmt: skip
    return json.dumps(config)


@pytest.fixture
def node() -> Node:
    """A node whose primary and whose networks a and b all come with both default routes."""
    made = Node()
    made.world.parent("up0")
    primary = static("10.244.1.2/24", "fd00:244::2/64", default=("10.244.1.1", "fd00:244::1"))
    made.networks.raw = macvlan("cbr0", primary).encode()
    for name, number in (("a", 1), ("b", 2)):
        ipam = static(f"10.0.{number}.2/24", f"fc00:{number}::2/64", default=(f"10.0.{number}.1",))
        made.source.add_definition("test", name, macvlan(name, ipam))
    return made


def element(name: str, *gateways: str) -> dict[str, object]:
    return {"name": name, "default-route": list(gateways)}


def added(node: Node, *elements: dict[str, object]) -> Sandbox:
    pod = node.add_pod("test", "p", networks=json.dumps(elements))
    node.add(pod)
    return pod


def defaults(node: Node, pod: Sandbox) -> dict[str, set[tuple[str, str]]]:
    """Return (device, gateway) of the sandbox's default routes, by destination."""
    table = node.world.sandboxes[pod.netns].routes
    return {
        dst: {(route.device, route.gw) for route in table if route.dst == dst} for dst in (V4, V6)
    }


EVERYBODY = {
    V4: {("eth0", "10.244.1.1"), ("net1", "10.0.1.1"), ("net2", "10.0.2.1")},
    V6: {("eth0", "fd00:244::1")},
}


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        pytest.param([{"name": "a"}, {"name": "b"}], EVERYBODY, id="M01"),
        pytest.param([element("a"), {"name": "b"}], EVERYBODY, id="M02"),
        pytest.param(
            [element("a", "10.0.1.1", "fc00:1::1"), {"name": "b"}],
            {V4: {("net1", "10.0.1.1")}, V6: {("net1", "fc00:1::1")}},
            id="M04",
        ),
        pytest.param(
            [element("a", "10.0.1.1"), element("b", "fc00:2::1")],
            {V4: {("net1", "10.0.1.1")}, V6: {("net2", "fc00:2::1")}},
            id="M07",
        ),
        pytest.param(
            [element("a", "fc00:1::1"), {"name": "b"}],
            {V4: EVERYBODY[V4], V6: {("net1", "fc00:1::1")}},
            id="one-family",
        ),
    ],
)
def test_the_default_route_goes_where_it_is_asked_for(
    node: Node, elements: list[dict[str, object]], expected: dict[str, set[tuple[str, str]]]
) -> None:
    pod = added(node, *elements)

    assert defaults(node, pod) == expected


def test_m05_one_gateway_a_family(node: Node) -> None:
    node.world.sandbox("/run/netns/p")
    before = node.world.seen()

    with pytest.raises(
        InvalidAnnotationError, match="multus does not support ECMP for default-route"
    ):
        added(node, element("a", "10.0.1.1"), element("b", "10.0.2.1"))

    assert node.world.seen() == before
    assert node.journal.all() == ()


def test_m31_a_network_that_does_not_ask_leaves_the_primarys_route(node: Node) -> None:
    quiet = static("10.0.1.2/24")
    node.source.add_definition("test", "a", macvlan("a", quiet))

    pod = added(node, {"name": "a"})

    assert defaults(node, pod)[V4] == {("eth0", "10.244.1.1")}


def test_m32_a_network_without_interface_and_address_carries_no_route(node: Node) -> None:
    node.source.add_definition("test", "a", '{"name":"a","type":"vendor","cniVersion":"1.0.0"}')
    node.foreign.add("vendor", b'{"cniVersion":"1.0.0"}')

    pod = added(node, element("a", "10.0.1.1"))

    assert defaults(node, pod)[V4] == {("eth0", "10.244.1.1")}


def test_a_gateway_that_cannot_be_reached_leaves_nothing_behind(node: Node) -> None:
    pod = node.add_pod("test", "p", networks=json.dumps([element("a", "192.0.2.1")]))
    before = node.world.seen()

    with pytest.raises(Exception, match="error setting default gateway"):
        node.add(pod)

    assert node.world.seen() == before
    assert node.journal.all() == ()
    assert node.status.texts == {}


# The results that plugins gave, edited.

V4_ROUTES = [{"dst": "20.0.0.0/24"}, {"dst": V4, "gw": "10.0.0.1"}, {"dst": "30.0.0.0/24"}]
V6_ROUTES = [{"dst": "20::/64"}, {"dst": "::0/0", "gw": "10::1"},
             {"dst": "30::/64"}]  # fmt: skip
FLAT = {
    "ip4": {"ip": "10.0.0.2/24", "routes": V4_ROUTES},
    "ip6": {"ip": "10::2/64", "routes": V6_ROUTES},
}
SIX = {"cniVersion": "0.3.1", "routes": [*V4_ROUTES, *V6_ROUTES]}


def edited(result: dict[str, Any], version: str, *, drop: int = 0, add: str = "") -> dict[str, Any]:
    found = versions.parse(json.dumps(result).encode(), version)
    if drop:
        found = routes.without_default(found, drop)
    if add:
        found = routes.with_default(found, add)
    return versions.to_json(found, version)


def destinations(result: dict[str, Any], *path: str) -> list[str]:
    for key in path:
        result = result[key]
    return [route["dst"] for route in result.get("routes", ())]


def test_m08_a_route_without_a_version_is_dropped_from_its_family() -> None:
    found = edited(FLAT, "0.2.0", drop=4)

    assert destinations(found, "ip4") == ["20.0.0.0/24", "30.0.0.0/24"]
    assert len(destinations(found, "ip6")) == 3


@pytest.mark.parametrize(
    ("family", "left"),
    [
        pytest.param(4, ["20.0.0.0/24", "30.0.0.0/24", "20::/64", V6, "30::/64"], id="M10"),
        pytest.param(6, ["20.0.0.0/24", V4, "30.0.0.0/24", "20::/64", "30::/64"], id="M11"),
    ],
)
def test_a_route_is_dropped_of_one_family(family: int, left: list[str]) -> None:
    assert destinations(edited(SIX, "0.3.1", drop=family)) == left


@pytest.mark.parametrize(
    ("dst", "gateway", "family"),
    [pytest.param(V4, "10.0.0.1", 4, id="M13"), pytest.param(V6, "10::1", 6, id="M13-v6")],
)
def test_the_only_route_goes_and_comes_back(dst: str, gateway: str, family: int) -> None:
    result = {"routes": [{"dst": dst, "gw": gateway}]}

    gone = edited(result, "1.0.0", drop=family)
    back = edited(gone, "1.0.0", add=gateway)

    assert "routes" not in gone
    assert back["routes"] == [{"dst": dst, "gw": gateway}]


@pytest.mark.parametrize(
    ("result", "version", "gateway", "path", "count"),
    [
        pytest.param({"ip4": {"ip": "10.0.0.2/24"}}, "0.2.0", "10.1.1.1", ("ip4",), 1, id="M14"),
        pytest.param({"ip6": {"ip": "10::2/64"}}, "0.2.0", "10::1:1:1", ("ip6",), 1, id="M16"),
        pytest.param(
            {"ip6": {"ip": "10::2/64", "routes": [{"dst": "20::/64"}, {"dst": "30::/64"}]}},
            "0.2.0",
            "10::1:1:1",
            ("ip6",),
            3,
            id="M17",
        ),
        pytest.param(
            {"routes": [{"dst": f"10.{n}.0.0/24"} for n in range(4)]},
            "0.3.1",
            "10.1.1.1",
            (),
            5,
            id="M19",
        ),
        pytest.param({}, "0.3.1", "10::1:1:1", (), 1, id="M20"),
        pytest.param({}, "1.1.0", "10.1.1.1", (), 1, id="M23-add"),
    ],
)
def test_a_route_is_added(
    result: dict[str, Any], version: str, gateway: str, path: tuple[str, ...], count: int
) -> None:
    found = destinations(edited(result, version, add=gateway), *path)

    assert len(found) == count
    assert found[-1] == (V6 if ":" in gateway else V4)


def test_m22_every_default_route_of_a_list_goes() -> None:
    result = {"routes": [{"dst": V4}, {"dst": "10.1.1.0/24"}, {"dst": V4, "gw": "10.0.0.1"}]}

    assert edited(result, "1.0.0", drop=4)["routes"] == [{"dst": "10.1.1.0/24"}]


def test_m23_a_list_that_is_empty_is_left_out() -> None:
    assert "routes" not in edited({"routes": [{"dst": V4}]}, "1.1.0", drop=4)


@pytest.mark.parametrize("dst", [pytest.param("::/0", id="M26"), "::0/0", "0::0/0"])
def test_a_default_route_is_one_however_it_is_spelled(dst: str) -> None:
    """The reference finds `::0/0` only, which no plugin writes."""
    assert "routes" not in edited({"routes": [{"dst": dst, "gw": "10::1"}]}, "1.0.0", drop=6)


def test_m28_m29_a_default_route_is_set_once() -> None:
    world = World()
    space = world.sandbox("/n")
    world.add(space, Link(name="dummy0", index=9, up=True))
    space.addresses["dummy0"] = (Address(address="10.0.0.2/24"),)
    space.routes = (RouteFact(dst="10.0.0.0/24", device="dummy0"),)
    op = ReplaceDefaultRoute(family=4, drop=("dummy0",), ifname="dummy0", gateway="10.0.0.1")

    with FakeKernel(world).enter(sandbox="/n", host=None) as spaces:
        for _ in range(2):
            spaces.apply(op)

    found = [(route.gw, route.device) for route in space.routes if route.dst == V4]
    assert found == [("10.0.0.1", "dummy0")]
