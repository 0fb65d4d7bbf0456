"""Bad input of every kind: one CNI error object, quickly, and nothing is changed.

Whatever a user may write (annotations, definitions, names) and a caller may send (environment,
stdin) is hostile here. The shim's frames have tests of their own.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from polypod.cni import failure
from polypod.cni import request as cni_request
from polypod.engine import attach
from polypod.engine.doors import Caller
from polypod.engine.resolve import DEFAULT_NETWORK
from polypod.errors import PolypodError
from polypod.testing.node import Node

LIMIT_S = 0.1
GOOD = {"cniVersion": "1.0.0", "type": "macvlan", "master": "up0"}
STDIN = {"cniVersion": "1.1.0", "name": "polypod", "type": "polypod"}
MIB = 1 << 20


def environment(**given: str) -> dict[str, str]:
    return {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "c1",
        "CNI_NETNS": "/run/netns/p",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p",
        **given,
    }


def refusal(node: Node, variables: Mapping[str, str], stdin: bytes) -> bytes:
    """Run a call as a front does, and return the error object."""
    try:
        request = cni_request.parse(variables, stdin)
        attach.attach(request, Caller(), node.doors())
    except PolypodError as error:
        return failure.render(error)
    pytest.fail("it was taken")


def answered(node: Node, variables: Mapping[str, str], stdin: bytes) -> dict[str, Any]:
    """Run a call, and check what every refusal has to keep to."""
    node.world.sandbox("/run/netns/p")
    before = (node.world.seen(), node.pools.held(), node.journal.all(), dict(node.status.texts))
    took: list[float] = []
    raw = b""
    while len(took) < 3 and (not took or took[-1] >= LIMIT_S):  # Python may stop to tidy up
        started = time.thread_time()  # what others do on this machine does not count
        raw = refusal(node, variables, stdin)
        took.append(time.thread_time() - started)
    after = (node.world.seen(), node.pools.held(), node.journal.all(), dict(node.status.texts))

    answer: dict[str, Any] = json.loads(raw.decode("utf-8"))
    assert min(took) < LIMIT_S
    assert after == before
    assert isinstance(answer["code"], int)
    assert answer["code"] > 0
    assert answer["msg"]
    assert answer["msg"].isprintable(), "one line, and no signs that command a terminal"
    assert len(raw) < 8192
    assert "hint: " in answer["details"]
    return answer


def pod(node: Node, networks: str, **annotations: str) -> None:
    node.add_pod("default", "p", networks=networks, annotations=annotations)


def element(**keys: object) -> str:
    return json.dumps([{"name": "good", **keys}])


ANNOTATIONS = {
    "not-json": "[{",
    "an-object": '{"name":"good"}',
    "a-number": "[1]",
    "nulls": "[null]",
    "a-list-of-lists": "[[]]",
    "deep": "[" * 100_000,
    "deep-arguments": '[{"name":"good","cni-args":' + '{"a":' * 5000 + "1" + "}" * 5000 + "}]",
    "a-mebibyte": "a" * MIB,
    "a-mebibyte-of-json": '[{"name":"' + "a" * MIB + '"}]',
    "ten-thousand-networks": ",".join(["good"] * 10_000),
    "ten-thousand-elements": json.dumps([{"name": "good"}] * 10_000),
    "commas": "," * 1000,
    "no-name": ",",
    "up-and-out": "../../etc/passwd",
    "up-and-out-in-json": json.dumps([{"name": "../../etc/passwd"}]),
    "up-and-out-by-namespace": json.dumps([{"name": "good", "namespace": "../default"}]),
    "control-signs": "go\x01od",
    "control-signs-in-json": json.dumps([{"name": "a\n\x1b[31mred\x07"}]),
    "nul": "go\0od",
    "nul-in-json": '[{"name":"go\\u0000od"}]',
    "surrogate": "go\ud800od",
    "surrogate-in-json": '[{"name":"\\ud800"}]',
    "right-to-left": json.dumps([{"name": "\u202egood"}]),
    "a-name-of-another-type": json.dumps([{"name": 1}]),
    "interface-with-slash": "good@a/b",
    "interface-with-slash-in-json": element(interface="a/b"),
    "interface-with-colon": element(interface="a:b"),
    "interface-with-space": element(interface="a b"),
    "interface-with-nul": element(interface="a\0b"),
    "interface-with-newline": element(interface="a\nb"),
    "interface-with-escape": element(interface="a\x1bb"),
    "interface-with-surrogate": '[{"name":"good","interface":"a\\ud800"}]',
    "interface-with-surrogate-in-a-list": "good@a\ud800",
    "interface-dot": element(interface="."),
    "interface-dots": element(interface=".."),
    "interface-too-long": element(interface="a" * 16),
    "interface-too-long-in-bytes": element(interface="é" * 8),
    "interface-percent": element(interface="eth%d"),
    "interface-of-the-loopback": element(interface="lo"),
    "interface-twice": "good@x,good@x",
    "interface-by-place": "good@net2,good",
    "interface-of-another-type": element(interface=["a"]),
    "mac": element(mac="zz:zz:zz:zz:zz:zz"),
    "mac-with-semicolon": element(mac="02:00:00:00:00:01;K8S_POD_NAME=other"),
    "mac-of-another-type": element(mac=1),
    "ips-no-list": element(ips="10.0.0.1"),
    "ips-of-another-type": element(ips=[1]),
    "ips-with-semicolon": element(ips=["10.0.0.1;A=b"]),
    "ips-with-zone": element(ips=["fe80::1%eth0;A=b/64"]),
    "ips-prefix": element(ips=["10.0.0.1/33"]),
    "gateway": element(**{"default-route": ["10.0.0.0/8"]}),
    "gateway-with-zone": element(**{"default-route": ["fe80::1%eth0"]}),
    "gateways-of-one-family": element(**{"default-route": ["10.0.0.1", "10.0.0.2"]}),
    "guid": element(**{"infiniband-guid": "x"}),
    "bandwidth": element(bandwidth={"ingressRate": 1.5}),
    "port": element(portMappings=[{"hostPort": "80"}]),
    "arguments": element(**{"cni-args": [1]}),
    "number-too-large": '[{"name":"good","bandwidth":{"ingressRate":1e999}}]',
    "not-there": "missing",
    "another-namespace": "kube-system/good",
}


@pytest.mark.parametrize("annotation", ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_a_networks_annotation(node: Node, annotation: str) -> None:
    node.source.add_definition("default", "good", json.dumps(GOOD))
    node.source.add_definition("kube-system", "good", json.dumps(GOOD))
    pod(node, annotation)

    answer = answered(node, environment(), json.dumps(STDIN).encode())

    assert answer["code"] in {7, 999}


@pytest.mark.parametrize(
    "annotation", ["", "[]", "a,b", "[{", "../x", "missing", "a@b/c", "\0", '[{"interface":"a/b"}]']
)
def test_a_default_network_annotation(node: Node, annotation: str) -> None:
    node.add_pod("default", "p", annotations={DEFAULT_NETWORK: annotation})

    answered(node, environment(), json.dumps(STDIN).encode())


def config(**keys: object) -> str:
    return json.dumps({**GOOD, **keys})


def listed(*plugins: object, **keys: object) -> str:
    return json.dumps({"cniVersion": "1.0.0", "name": "n", "plugins": list(plugins), **keys})


DEFINITIONS = {
    "not-json": "***",
    "null": "null",
    "list": "[]",
    "text": '"x"',
    "truncated": '{"type":"macvlan"',
    "deep": '{"type":"macvlan","x":' + "[" * 100_000,
    "two-mebibytes": json.dumps({"type": "macvlan", "x": "a" * 2 * MIB}),
    "surrogate": '{"type":"\ud800"}',
    "no-type": '{"name":"n"}',
    "type-of-another-type": '{"name":"n","type":1}',
    "type-with-slash": config(type="../../bin/sh"),
    "type-with-nul": config(type="a\0b"),
    "type-unknown": config(type="x" * 5000),
    "name-with-slash": config(name="a/b"),
    "name-up-and-out": config(name="../../etc"),
    "name-dots": config(name=".."),
    "name-with-nul": config(name="a\0b"),
    "name-with-escape": config(name="a\x1b[31m"),
    "name-of-another-type": config(name=1),
    "version-up-and-out": config(cniVersion="../../1.0.0"),
    "version-unknown": config(cniVersion="9.9.9"),
    "version-of-another-type": config(cniVersion=1),
    "version-long": config(cniVersion="1" * 10_000),
    "plugins-no-list": '{"name":"n","plugins":{}}',
    "plugins-empty": listed(),
    "plugins-null": listed(None),
    "plugins-text": listed("macvlan"),
    "plugins-without-type": listed(GOOD, {}),
    "plugins-type-with-slash": listed(GOOD, {"type": "../x"}),
    "plugins-meta": listed({"type": "polypod"}),
    "check-flag": listed(GOOD, disableCheck="perhaps"),
    "master": config(master="no-such-device"),
    "master-with-slash": config(master="../../x"),
    "master-with-nul": config(master="a\0b"),
    "master-of-another-type": config(master=1),
    "mode": config(mode="sideways"),
    "mtu": config(mtu=10**30),
    "mtu-negative": config(mtu=-1),
    "mtu-fraction": config(mtu=1.5),
    "mac": config(mac="02:00"),
    "ipam-no-object": config(ipam=[]),
    "ipam-unknown": config(ipam={"type": "../x"}),
    "ipam-empty": config(ipam={"type": "host-local"}),
    "ipam-subnet": config(ipam={"type": "host-local", "subnet": "10.0.0.0/99"}),
    "ipam-subnet-of-another-type": config(ipam={"type": "host-local", "subnet": 1}),
    "ipam-range-overlap": config(
        ipam={"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}] * 2]}
    ),
    "ipam-ranges-no-list": config(ipam={"type": "host-local", "ranges": "10.0.0.0/24"}),
    "ipam-gateway": config(ipam={"type": "host-local", "subnet": "10.0.0.0/24", "gateway": "x"}),
    "ipam-static-address": config(ipam={"type": "static", "addresses": [{"address": "10.0.0.1"}]}),
    "ipam-static-none": config(ipam={"type": "static"}),
    "ipam-route": config(
        ipam={"type": "host-local", "subnet": "10.0.0.0/24", "routes": [{"dst": "x"}]}
    ),
    "ipam-route-out-of-reach": config(
        ipam={
            "type": "host-local",
            "subnet": "10.0.0.0/24",
            "routes": [{"dst": "1.0.0.0/8", "gw": "192.0.2.1"}],
        }
    ),
    "ipam-resolv-conf": config(
        ipam={"type": "host-local", "subnet": "10.0.0.0/24", "resolvConf": "/none"}
    ),
    "dns": config(dns={"nameservers": "8.8.8.8"}),
    "bridge-name": config(type="bridge", bridge="a/b"),
    "bridge-name-long": config(type="bridge", bridge="b" * 16),
    "bridge-vlan": config(type="bridge", vlan=5000),
    "bridge-is-no-bridge": config(type="bridge", bridge="up0"),
    "tuning-sysctl-not-net": listed(GOOD, {"type": "tuning", "sysctl": {"kernel.hostname": "x"}}),
    "tuning-sysctl-of-another-type": listed(GOOD, {"type": "tuning", "sysctl": {"net.a": 1}}),
    "tuning-alone": config(type="tuning"),
}


@pytest.mark.parametrize("text", DEFINITIONS.values(), ids=DEFINITIONS.keys())
def test_a_definition(node: Node, text: str) -> None:
    node.source.add_definition("default", "bad", text)
    pod(node, "bad")

    answered(node, environment(), json.dumps(STDIN).encode())


STDINS = {
    "empty": b"",
    "not-json": b"{",
    "not-utf8": b'{"name":"\xff"}',
    "list": b"[]",
    "too-long": b'{"name":"' + b"a" * (2 * MIB) + b'"}',
    "deep": b'{"name":"n","x":' + b"[" * 100_000,
    "no-name": b"{}",
    "name-up-and-out": b'{"name":"../x"}',
    "name-with-nul": b'{"name":"a\\u0000"}',
    "name-of-another-type": b'{"name":{}}',
    "version-up-and-out": b'{"name":"n","cniVersion":"../../etc"}',
    "version-unknown": b'{"name":"n","cniVersion":"2.0.0"}',
    "version-of-another-type": b'{"name":"n","cniVersion":[]}',
    "capabilities": b'{"name":"n","cniVersion":"1.0.0","runtimeConfig":[]}',
}


@pytest.mark.parametrize("stdin", STDINS.values(), ids=STDINS.keys())
def test_a_configuration_on_stdin(node: Node, stdin: bytes) -> None:
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"cbr0","type":"macvlan","master":"up0"}'
    pod(node, "")

    answered(node, environment(), stdin)


ENVIRONMENTS = {
    "no-command": {"CNI_COMMAND": ""},
    "command": {"CNI_COMMAND": "FOO\n"},
    "no-container": {"CNI_CONTAINERID": ""},
    "container-up-and-out": {"CNI_CONTAINERID": "../../etc/passwd"},
    "container-with-nul": {"CNI_CONTAINERID": "a\0b"},
    "container-with-newline": {"CNI_CONTAINERID": "a\n"},
    "container-long": {"CNI_CONTAINERID": "a" * 5000},
    "no-interface": {"CNI_IFNAME": ""},
    "interface-with-slash": {"CNI_IFNAME": "../eth0"},
    "interface-with-nul": {"CNI_IFNAME": "a\0b"},
    "interface-with-newline": {"CNI_IFNAME": "a\nb"},
    "interface-long": {"CNI_IFNAME": "e" * 16},
    "interface-dots": {"CNI_IFNAME": ".."},
    "no-netns": {"CNI_NETNS": ""},
    "netns-not-there": {"CNI_NETNS": "/run/netns/none"},
    "netns-with-nul": {"CNI_NETNS": "/run/\0"},
    "netns-long": {"CNI_NETNS": "/" + "a" * 60_000},
    "no-path": {"CNI_PATH": ""},
    "arguments-unknown": {"CNI_ARGS": "A=b"},
    "arguments-long": {"CNI_ARGS": "A=" + "b" * 100_000},
    "variables-long": {"CNI_IFNAME": "e" * 100_000},
    "uid-of-another-pod": {
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p;K8S_POD_UID=x"
    },
}


@pytest.mark.parametrize("variables", ENVIRONMENTS.values(), ids=ENVIRONMENTS.keys())
def test_an_environment(node: Node, variables: Mapping[str, str]) -> None:
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"cbr0","type":"macvlan","master":"up0"}'
    node.source.add_pod("default", "p", uid="u", annotations={})

    answered(node, environment(**variables), json.dumps(STDIN).encode())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"cniVersion":"9.9.9"}',
        b'{"cniVersion":"1.0.0","ips":[{"address":"x"}]}',
        b'{"cniVersion":"1.0.0","ips":{}}',
        b'{"cniVersion":"1.0.0","interfaces":[1]}',
        b'{"cniVersion":"1.0.0","routes":[{"dst":"1.2.3.4"}]}',
        b'{"cniVersion":1}',
        b"[" * 100_000,
    ],
)
def test_the_answer_of_a_foreign_plugin(node: Node, answer: bytes) -> None:
    node.foreign.add("vendor", answer)
    pod(node, "mv,other")

    answered(node, environment(), json.dumps(STDIN).encode())

    assert node.foreign.told("DEL") == ["vendor"]
