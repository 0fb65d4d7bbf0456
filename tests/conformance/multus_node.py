"""What the tests of rows C to I share: a node with a few networks, and what its pods would get."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from polypod.cni import lists
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Settings
from polypod.engine.resolve import DEFAULT_NETWORK, resolve
from polypod.errors import PolypodError
from polypod.testing.node import CONFIG, Node

ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "123456789",
    "CNI_NETNS": "/n",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/b",
}
EVERYTHING: Mapping[str, Any] = {
    "name": "net1",
    "interface": "testIF1",
    "mac": "c2:11:22:33:44:66",
    "infiniband-guid": "24:8a:07:03:00:8d:ae:2e",
    "ips": ["10.0.0.1/24"],
    "bandwidth": {"ingressRate": 1, "ingressBurst": 2, "egressRate": 3, "egressBurst": 4},
    "portMappings": [{"hostPort": 8080, "containerPort": 80}],
}
CAPABLE = {
    "cniVersion": "1.0.0",
    "type": "vendor",
    "capabilities": dict.fromkeys(
        ("portMappings", "bandwidth", "ips", "mac", "infinibandGUID", "deviceID", "dns"), True
    ),
}


def made() -> Node:
    """A node whose primary is net2 of type mynet2, with two definitions."""
    node = Node(settings=Settings(boot_id="boot-1", namespace_isolation=False))
    node.networks.raw = b'{"name":"net2","type":"mynet2","cniVersion":"1.0.0"}'
    for place in (1, 3):
        config = {"name": f"net{place}", "type": f"mynet{place}", "cniVersion": "1.0.0"}
        for namespace in ("test", "kube-system"):
            node.source.add_definition(namespace, f"net{place}", json.dumps(config))
    for type_ in ("mynet1", "mynet2", "mynet3", "vendor"):
        node.foreign.add(type_, b'{"cniVersion": "1.0.0"}')
    return node


def resolved(
    node: Node,
    networks: str | None = None,
    *,
    default: str | None = None,
    config: Mapping[str, object] = CONFIG,
) -> tuple[Attachment, ...]:
    told = {} if default is None else {DEFAULT_NETWORK: default}
    pod = node.add_pod("test", "testpod", networks=networks, annotations=told)
    found = node.source.pod("test", "testpod")
    return resolve(pod.request("ADD", config), found, node.doors())


def types(found: tuple[Attachment, ...]) -> list[object]:
    return [one.network.plugins[0]["type"] for one in found]


def told(one: Attachment, index: int = 0) -> dict[str, object]:
    """What a plugin of a network reads."""
    return lists.plugin_config(
        one.network, index, prev_result=None, capability_args=one.capabilities
    )


def refused(act: Callable[[], object], text: str) -> PolypodError:
    with pytest.raises(PolypodError, match=re.escape(text)) as raised:
        act()
    return raised.value
