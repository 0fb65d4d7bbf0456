"""Two nodes and the wires between them, built with Polypod's own ops.

A wire for each kind of network, since a card serves macvlan, or ipvlan in one mode, or a bridge.
"""

from __future__ import annotations

from collections.abc import Mapping

from demo.spaces import Space
from polypod.kernel import links
from polypod.kernel.netlink import Rtnetlink, u32
from polypod.plan.ops import (
    AddBridge,
    AddVeth,
    Configure,
    EnableForwarding,
    RouteSpec,
    SetPortVlans,
)

TRUNK_VLANS = (100, 200)
ELSEWHERE = "203.0.113.1"
"""An address outside the pods' networks: node alpha plays the world."""

WIRES = {
    "eth0": "the nodes' own network, and macvlan",
    "eth1": "trunk of the bridge br-trunk",
    "eth2": "ipvlan l2",
    "eth3": "ipvlan l3",
}
_ADDRESSES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "alpha": {"eth0": ("192.168.50.1/24", "10.10.0.1/24"), "eth3": ("192.168.40.1/24",)},
    "beta": {"eth0": ("192.168.50.2/24",), "eth3": ("192.168.40.2/24",)},
}
_ROUTES: Mapping[str, Mapping[str, tuple[RouteSpec, ...]]] = {
    "alpha": {
        "eth0": (RouteSpec(dst="10.244.2.0/24", gw="192.168.50.2"),),
        "eth3": (RouteSpec(dst="10.40.2.0/24", gw="192.168.40.2"),),
    },
    "beta": {
        "eth0": (
            RouteSpec(dst="10.244.1.0/24", gw="192.168.50.1"),
            RouteSpec(dst=f"{ELSEWHERE}/32", gw="192.168.50.1"),
        ),
        "eth3": (RouteSpec(dst="10.40.1.0/24", gw="192.168.40.1"),),
    },
}


def join(alpha: Space, beta: Space, *, trunk: bool) -> None:
    """Lay the wires and give the nodes their addresses and routes."""
    for name in WIRES:
        with alpha.open(sandbox=beta) as namespaces:
            namespaces.apply(AddVeth(ifname=name, host_name=name))
    for node in (alpha, beta):
        with node.open() as namespaces:
            for name in WIRES:
                addresses = _ADDRESSES[node.name].get(name, ())
                routes = _ROUTES[node.name].get(name, ())
                namespaces.apply(Configure(ifname=name, addresses=addresses, routes=routes))
            namespaces.apply(EnableForwarding(family=4))
        if trunk:
            _make_trunk(node)
    with alpha.open() as namespaces:
        namespaces.apply(Configure(ifname="lo", addresses=(f"{ELSEWHERE}/32",)))


def _make_trunk(node: Space) -> None:
    with node.open() as namespaces:
        namespaces.apply(AddBridge(name="br-trunk", vlan_filtering=True))
        _enslave(node, "eth1", "br-trunk")
        namespaces.apply(SetPortVlans(port="eth1", tagged=TRUNK_VLANS))


def _enslave(node: Space, port: str, bridge: str) -> None:
    index = {link.name: link.index for link in node.links()}
    with node.inside():
        socket = Rtnetlink()
    try:
        body = links.header(index[port]) + u32(links.IFLA_MASTER, index[bridge])
        socket.one(links.RTM_SETLINK, 0, body)
    finally:
        socket.close()
