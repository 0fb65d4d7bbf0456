"""Whatever a caller sends, a plugin answers: a result, or one error object, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.property.cni_values import JSON, SCALARS

from polypod.cli import standalone
from polypod.cni.labels import ALL_VERSIONS
from polypod.engine import single
from polypod.testing.node import Node

NETNS = "/run/netns/a"
COMMANDS = ["ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"]
VALUES = st.text(max_size=40) | st.text(st.characters(), max_size=10)
ENVIRONMENTS = st.fixed_dictionaries(
    {},
    optional={
        "CNI_COMMAND": st.sampled_from(COMMANDS) | VALUES,
        "CNI_CONTAINERID": st.just("dummy") | VALUES,
        "CNI_NETNS": st.just(NETNS) | VALUES,
        "CNI_IFNAME": st.sampled_from(["eth0", "lo", "eth/0", "a" * 16]) | VALUES,
        "CNI_ARGS": st.sampled_from(["MAC=02:00:00:00:00:01", "IgnoreUnknown=1;IP=10.0.0.9/8"])
        | VALUES,
        "CNI_PATH": st.just("/nonexistent") | VALUES,
        "CNI_NETNS_OVERRIDE": VALUES,
    },
)
GOOD = {
    "CNI_CONTAINERID": "dummy",
    "CNI_NETNS": NETNS,
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/nonexistent",
}
TYPES = st.sampled_from(single.TYPES)

ADDRESSES = st.sampled_from(
    ["10.1.2.3/24", "10.1.2.3", "fd00::1/64", "::ffff:1.2.3.4/120", "banana", "", "0.0.0.0/0", "/"]
)
RANGE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("subnet", "rangeStart", "gateway"), ADDRESSES | SCALARS)
)
ROUTE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("dst", "gw", "table", "priority"), ADDRESSES | SCALARS)
)
IPAM = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["host-local", "static", "nope"]) | SCALARS,
        "subnet": ADDRESSES | SCALARS,
        "ranges": st.lists(st.lists(RANGE, max_size=2), max_size=2) | JSON,
        "addresses": st.lists(
            st.fixed_dictionaries({}, optional={"address": ADDRESSES, "gateway": ADDRESSES}),
            max_size=2,
        )
        | JSON,
        "routes": st.lists(ROUTE, max_size=2) | JSON,
        "dns": JSON,
        "resolvConf": SCALARS,
        "dataDir": SCALARS,
    },
)
RESULT = st.fixed_dictionaries(
    {},
    optional={
        "cniVersion": st.sampled_from(ALL_VERSIONS) | SCALARS,
        "interfaces": st.lists(
            st.fixed_dictionaries({}, optional={"name": st.just("eth0") | SCALARS, "mac": SCALARS}),
            max_size=2,
        )
        | JSON,
        "ips": st.lists(
            st.fixed_dictionaries({}, optional={"address": ADDRESSES, "interface": SCALARS}),
            max_size=2,
        )
        | JSON,
        "routes": st.lists(ROUTE, max_size=2) | JSON,
        "ip4": JSON,
        "dns": JSON,
    },
)
TRUNK = st.lists(
    st.fixed_dictionaries({}, optional=dict.fromkeys(("id", "minID", "maxID"), SCALARS)),
    max_size=2,
)
LOOSE = st.booleans() | JSON
CONFIGS = st.fixed_dictionaries(
    {"name": st.just("mynet"), "cniVersion": st.sampled_from(ALL_VERSIONS)},
    optional={
        "bridge": st.sampled_from(["br0", "eth1", "a" * 16, "a/b", ""]) | SCALARS,
        "master": st.sampled_from(["eth1", "nope", ""]) | SCALARS,
        "mode": st.sampled_from(["bridge", "l2", "l3"]) | SCALARS,
        "mtu": st.integers(-1, 70000) | JSON,
        "vlan": st.integers(-1, 5000) | JSON,
        "vlanTrunk": TRUNK | JSON,
        "mac": st.sampled_from(["02:00:00:00:00:01", "zz"]) | SCALARS,
        "sysctl": st.dictionaries(
            st.sampled_from(["net.ipv4.conf.IFNAME.x", "kernel.x", "net/../x", ""]), SCALARS
        )
        | JSON,
        "dataDir": SCALARS,
        "ipam": IPAM | JSON,
        "dns": JSON,
        "prevResult": RESULT | JSON,
        "runtimeConfig": st.fixed_dictionaries(
            {}, optional={"mac": SCALARS, "ips": JSON, "ipRanges": JSON}
        )
        | JSON,
        "args": st.fixed_dictionaries({}, optional={"cni": JSON}) | JSON,
        **dict.fromkeys(
            (
                "isGateway",
                "isDefaultGateway",
                "forceAddress",
                "ipMasq",
                "ipMasqBackend",
                "hairpinMode",
                "promiscMode",
                "macspoofchk",
                "enabledad",
                "disableContainerInterface",
                "portIsolation",
                "preserveDefaultVlan",
                "linkInContainer",
                "bcqueuelen",
                "promisc",
                "allmulti",
                "txQLen",
            ),
            LOOSE,
        ),
    },
)


def node() -> Node:
    """Return a node in memory with a parent and a sandbox."""
    made = Node()
    made.sandbox("a")
    return made


def check(answer: tuple[int, bytes]) -> None:
    """Accept a result, silence, or one error object."""
    code, stdout = answer
    if code == 0:
        assert not stdout or "cniVersion" in json.loads(stdout)
        return
    found = json.loads(stdout)
    assert code == 1
    assert isinstance(found["code"], int) and found["code"] > 0
    assert isinstance(found["msg"], str) and found["msg"] and "\n" not in found["msg"]
    assert set(found) <= {"code", "msg", "details"}


@given(type_=TYPES, environment=ENVIRONMENTS, stdin=st.binary(max_size=300))
def test_any_bytes_and_any_environment(
    type_: str, environment: dict[str, str], stdin: bytes
) -> None:
    check(standalone.call(type_, environment, stdin, node().doors))


@given(type_=TYPES, environment=ENVIRONMENTS, value=JSON)
def test_any_json_and_any_environment(type_: str, environment: dict[str, str], value: Any) -> None:
    check(standalone.call(type_, environment, json.dumps(value).encode(), node().doors))


@settings(max_examples=600, suppress_health_check=[HealthCheck.too_slow])
@given(type_=TYPES, command=st.sampled_from(COMMANDS), config=CONFIGS, arguments=VALUES)
def test_any_value_of_any_key(
    type_: str, command: str, config: dict[str, Any], arguments: str
) -> None:
    environment = {**GOOD, "CNI_COMMAND": command, "CNI_ARGS": arguments}
    for given_arguments in ("", arguments):
        environment["CNI_ARGS"] = given_arguments
        raw = json.dumps(config).encode()
        check(standalone.call(type_, environment, raw, node().doors))


@pytest.mark.parametrize(
    "stdin",
    [
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b'{"name":"' + b"a" * (2 << 20) + b'"}',
        b'{"name":"mynet","mtu":1e999}',
        b'{"name":"mynet","mtu":' + b"9" * 5000 + b"}",
        b"\xff\xfe{}",
        b'{"name":"mynet\\ud800"}',
        b'{"name":"mynet","cniVersion":"' + b"1." * 5000 + b'"}',
    ],
    ids=["deep-lists", "deep-objects", "long", "huge", "digits", "not-utf-8", "surrogate", "dots"],
)
@pytest.mark.parametrize("command", ["ADD", "DEL", "CHECK"])
def test_hostile_stdin(stdin: bytes, command: str) -> None:
    for type_ in single.TYPES:
        answer = standalone.call(type_, {**GOOD, "CNI_COMMAND": command}, stdin, node().doors)
        check(answer)
        assert len(answer[1]) < 64 << 10
