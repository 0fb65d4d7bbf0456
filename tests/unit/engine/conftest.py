"""A node in memory with a few networks, for the engine's tests: world in, verb, world out."""

from __future__ import annotations

import json

import pytest

from polypod.testing.node import Node

NETWORKS: dict[str, dict[str, object]] = {
    "mv": {
        "type": "macvlan",
        "master": "up0",
        "ipam": {"type": "host-local", "subnet": "10.1.0.0/24"},
    },
    "br": {
        "type": "bridge",
        "bridge": "br0",
        "isGateway": True,
        "ipMasq": True,
        "ipam": {"type": "host-local", "subnet": "10.2.0.0/24"},
    },
    "fixed": {
        "type": "macvlan",
        "master": "up0",
        "capabilities": {"ips": True, "mac": True},
        "ipam": {"type": "host-local", "subnet": "10.3.0.0/24"},
    },
    "other": {"type": "vendor"},
}
TUNED = {
    "cniVersion": "1.0.0",
    "plugins": [
        NETWORKS["mv"],
        {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}},
    ],
}


@pytest.fixture
def node() -> Node:
    made = Node()
    made.world.parent("up0")
    for name, config in NETWORKS.items():
        made.source.add_definition("default", name, json.dumps({"cniVersion": "1.0.0", **config}))
    made.source.add_definition("default", "tuned", json.dumps(TUNED))
    made.foreign.add("vendor", b'{"cniVersion": "1.0.0"}')
    return made
