"""A hostile network definition: a coded error, an event with a hint, and nothing half attached."""

from __future__ import annotations

import json

import pytest
from tests.unit.security.hostile import GOOD, made, refused

DEEP = '{"a":' * 3000 + "1" + "}" * 3000


def of(**config: object) -> str:
    return json.dumps({**GOOD, "name": "bad", "bridge": "br-bad", **config})


CONFIGS: dict[str, str | None] = {
    "none": None,
    "empty": "",
    "spaces": "   ",
    "no JSON": "type: bridge",
    "half": '{"type":"bridge"',
    "null": "null",
    "a number": "5",
    "a list": "[]",
    "a text": '"bridge"',
    "no type": '{"cniVersion":"1.0.0","name":"x"}',
    "type is a number": '{"cniVersion":"1.0.0","name":"x","type":5}',
    "type is empty": '{"cniVersion":"1.0.0","name":"x","type":""}',
    "name is a path": of(name="../../etc"),
    "name has a null byte": of(name="a\0b"),
    "name is a list": of(name=["x"]),
    "version of tomorrow": of(cniVersion="99.0.0"),
    "version is a number": of(cniVersion=1),
    "plugins is a text": '{"cniVersion":"1.0.0","name":"x","plugins":"bridge"}',
    "plugins is empty": '{"cniVersion":"1.0.0","name":"x","plugins":[]}',
    "a plugin is a text": '{"cniVersion":"1.0.0","name":"x","plugins":["bridge"]}',
    "a plugin is null": '{"cniVersion":"1.0.0","name":"x","plugins":[null]}',
    "a plugin without type": '{"cniVersion":"1.0.0","name":"x","plugins":[{}]}',
    "a meta-plugin": of(type="multus"),
    "ourselves": of(type="polypod"),
    "nested for ever": DEEP,
    "nested lists": "[" * 100_000,
    "mtu is a text": of(mtu="large"),
    "mtu is huge": of(mtu=10**30),
    "mtu is negative": of(mtu=-1),
    "bridge is a list": of(bridge=["a"]),
    "bridge is too long": of(bridge="b" * 64),
    "bridge has a slash": of(bridge="../eth0"),
    "vlan out of range": of(vlan=5000),
    "ipam is a list": of(ipam=[]),
    "ipam of nobody": of(ipam={"type": "nobody"}),
    "ipam type is a path": of(ipam={"type": "../../../bin/sh"}),
    "subnet is no subnet": of(ipam={"type": "host-local", "subnet": "banana"}),
    "subnet is a number": of(ipam={"type": "host-local", "subnet": 5}),
    "ranges of nothing": of(ipam={"type": "host-local", "ranges": [[]]}),
    "ranges is deep": of(ipam={"type": "host-local", "ranges": [[[[[]]]]]}),
    "range out of subnet": of(
        ipam={
            "type": "host-local",
            "ranges": [[{"subnet": "10.0.0.0/24", "rangeStart": "11.0.0.1"}]],
        }
    ),
    "no address left": of(ipam={"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/32"}]]}),
    "address is no address": of(ipam={"type": "static", "addresses": [{"address": "x"}]}),
    "route is no route": of(
        ipam={
            "type": "static",
            "addresses": [{"address": "10.0.0.2/24"}],
            "routes": [{"dst": "x"}],
        }
    ),
    "a sysctl out of net": json.dumps(
        {
            "cniVersion": "1.0.0",
            "name": "bad",
            "plugins": [GOOD, {"type": "tuning", "sysctl": {"kernel.core_pattern": "|/bin/sh"}}],
        }
    ),
    "a sysctl with a path": json.dumps(
        {
            "cniVersion": "1.0.0",
            "name": "bad",
            "plugins": [
                GOOD,
                {"type": "tuning", "sysctl": {"../kernel/core_pattern": "x"}},
            ],
        }
    ),
    "a host's device that is not there": of(type="host-device", device="nobody0"),
    "macvlan of a parent that is not there": of(type="macvlan", master="nobody0"),
    "unknown type": of(type="nobody"),
    "a lone surrogate": '{"cniVersion":"1.0.0","name":"\\ud800","type":"bridge"}',
    "megabytes": of(bridge="x" * 1_000_000),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_nothing_is_attached_and_the_pod_is_told_why(config: str | None) -> None:
    node = made()
    node.source.add_definition("test", "bad", config)
    pod = node.add_pod("test", "p", networks="good,bad", uid="u1")

    error = refused(node, pod)

    assert len(error.cause) < 2100 and error.cause.isprintable()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_the_next_pod_starts_all_the_same(config: str | None) -> None:
    node = made()
    node.source.add_definition("test", "bad", config)
    pod = node.add_pod("test", "p", networks="good,bad")
    refused(node, pod)

    node.add(node.add_pod("test", "next", networks="good"))

    assert "net1" in node.world.sandboxes["/run/netns/next"].links
