"""Section J: the static plugin."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_rows import FLAT, each_version, row, table
from tests.conformance.cni_world import World

BOTH = ["10.10.0.1/24", "3ffe:ffff:0:01ff::1/64"]


def conf(version: str = "1.0.0", ipam: Any = None, **keys: Any) -> dict[str, Any]:
    own = {"type": "static", **(ipam or {})}
    return {"cniVersion": version, "name": "mynet", "type": "bridge", "ipam": own, **keys}


def ips(leases: World, config: dict[str, Any], arguments: str = "") -> list[dict[str, Any]]:
    found = leases.call("static", "ADD", config, ARGS=arguments).ok().get("ips", [])
    assert isinstance(found, list)
    return found


@each_version("J1")
def test_what_is_configured_is_returned(leases: World, version: str) -> None:
    ipam = {
        "addresses": [
            {"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
            {"address": "3ffe:ffff:0:01ff::1/64", "gateway": "3ffe:ffff:0::1"},
        ],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
            {"dst": "3ffe:ffff:0:01ff::1/64"},
        ],
        "dns": {"nameservers": ["8.8.8.8"], "domain": "d", "search": ["s"], "options": ["o"]},
    }

    result = leases.call("static", "ADD", conf(version, ipam)).ok()

    assert result["dns"] == ipam["dns"]
    v4 = {"address": "10.10.0.1/24", "gateway": "10.10.0.254"}
    v6 = {"address": "3ffe:ffff:0:1ff::1/64", "gateway": "3ffe:ffff::1"}
    routes = [
        {"dst": "0.0.0.0/0"},
        {"dst": "192.168.0.0/16", "gw": "10.10.5.1"},
        {"dst": "3ffe:ffff:0:1ff::1/64"},
    ]
    if version in FLAT:
        assert result["ip4"] == {
            "ip": v4["address"],
            "gateway": v4["gateway"],
            "routes": routes[:2],
        }
        assert result["ip6"] == {
            "ip": v6["address"],
            "gateway": v6["gateway"],
            "routes": routes[2:],
        }
        return
    if version < "1.0.0":
        v4, v6 = {"version": "4", **v4}, {"version": "6", **v6}
    assert (result["ips"], result["routes"]) == ([v4, v6], routes)


@row("J2")
@pytest.mark.parametrize(
    "stdin",
    [
        {"cniVersion": "1.0.0", "name": "mynet"},
        conf(ipam={"addresses": [{"address": "banana"}]}),
        {"name": "mynet", "ipam": 5},
    ],
)
def test_del_is_nothing(leases: World, stdin: dict[str, Any]) -> None:
    answer = leases.call("static", "DEL", stdin, ARGS="FOO")

    assert (answer.code, answer.stdout) == (0, "")


@table(
    "addresses, arguments, wanted",
    (
        "J3",
        [],
        "IP=10.10.0.1/24;GATEWAY=10.10.0.254",
        [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}],
    ),
    (
        "J3-two",
        [],
        "IP=10.10.0.1/24,11.11.0.1/24;GATEWAY=11.11.0.254,10.10.0.254",
        [
            {"address": "10.10.0.1/24", "gateway": "10.10.0.254"},
            {"address": "11.11.0.1/24", "gateway": "11.11.0.254"},
        ],
    ),
    ("J12", [{"address": "10.10.0.1/24"}], "GATEWAY=10.10.0.254", [{"address": "10.10.0.1/24"}]),
)
def test_addresses_of_the_arguments(
    leases: World,
    addresses: list[dict[str, str]],
    arguments: str,
    wanted: list[dict[str, str]],
) -> None:
    assert ips(leases, conf(ipam={"addresses": addresses}), arguments) == wanted


@table(
    "keys",
    ("J5", {"runtimeConfig": {"ips": BOTH}}),
    ("J6", {"args": {"cni": {"ips": BOTH}}}),
    ("J5-over", {"runtimeConfig": {"ips": BOTH}, "args": {"cni": {"ips": ["10.10.0.9/24"]}}}),
)
def test_addresses_that_replace_all_others(leases: World, keys: dict[str, Any]) -> None:
    config = conf(ipam={"addresses": [{"address": "10.10.0.7/24"}]}, **keys)

    found = ips(leases, config, "IP=10.10.0.8/24")

    assert found == [{"address": "10.10.0.1/24"}, {"address": "3ffe:ffff:0:1ff::1/64"}]


@table(
    "keys",
    ("J8", {"runtimeConfig": {"ips": BOTH}}),
    ("J8-args", {"args": {"cni": {"ips": BOTH}}}),
)
def test_a_configuration_without_ipam(leases: World, keys: dict[str, Any]) -> None:
    config = {"cniVersion": "1.0.0", "name": "mynet", "type": "static", **keys}

    answer = leases.call("static", "ADD", config)

    assert answer.error == (999, "IPAM config missing 'ipam' key", "")


IN_LIST = "an entry in the 'ips' field is NOT in CIDR notation, got: '10.10.0.1'"


@table(
    "keys, arguments, msg",
    (
        "J9",
        {"ipam": {"addresses": [{"address": "10.10.0.1"}]}},
        "",
        "the 'address' field is expected to be in CIDR notation, got: '10.10.0.1'",
    ),
    (
        "J9-arguments",
        {},
        "IP=10.10.0.1",
        "the 'ip' field is expected to be in CIDR notation, got: '10.10.0.1'",
    ),
    (
        "J9-zone",
        {"ipam": {"addresses": [{"address": "fd00::1%eth0/64"}]}},
        "",
        "the 'address' field is expected to be in CIDR notation, got: 'fd00::1%eth0/64'",
    ),
    (
        "J9-netmask",
        {"ipam": {"addresses": [{"address": "10.0.0.1/255.0.0.0"}]}},
        "",
        "the 'address' field is expected to be in CIDR notation, got: '10.0.0.1/255.0.0.0'",
    ),
    ("J11", {"args": {"cni": {"ips": ["10.10.0.1"]}}}, "", IN_LIST),
    ("J11-runtime", {"runtimeConfig": {"ips": ["10.10.0.1"]}}, "", IN_LIST),
    (
        "J9-gateway",
        {},
        "IP=10.10.0.1/24;GATEWAY=banana",
        "invalid gateway address: banana",
    ),
)
def test_addresses_that_are_none(
    leases: World, keys: dict[str, Any], arguments: str, msg: str
) -> None:
    assert leases.call("static", "ADD", conf(**keys), ARGS=arguments).error == (999, msg, "")


def test_an_ipv4_address_may_be_written_as_ipv6(leases: World) -> None:
    assert ips(leases, conf(ipam={"addresses": [{"address": "::ffff:10.0.0.1/120"}]})) == [
        {"address": "10.0.0.1/24"}
    ]


@row("J14")
def test_check_overlooks_an_address_that_the_result_lacks(leases: World) -> None:
    ipam = {"addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}]}
    before = {"cniVersion": "1.0.0", "ips": [{"address": "10.10.0.2/24"}]}

    assert leases.call("static", "CHECK", conf(ipam=ipam, prevResult=before)).code == 0


def test_check_compares_gateways(leases: World) -> None:
    ipam = {"addresses": [{"address": "10.10.0.1/24", "gateway": "10.10.0.254"}]}
    before = {"cniVersion": "1.0.0", "ips": [{"address": "10.10.0.1/24", "gateway": "10.10.0.3"}]}

    missing = leases.call("static", "CHECK", conf(ipam=ipam))
    differs = leases.call("static", "CHECK", conf(ipam=ipam, prevResult=before))

    assert missing.error == (999, "Required prevResult missing", "")
    assert differs.error == (999, "static: Failed to match addr 10.10.0.1 on interface eth0", "")


@each_version("J15", FLAT)
def test_an_old_version_has_one_address_of_a_family(leases: World, version: str) -> None:
    ipam = {"addresses": [{"address": "10.10.0.1/24"}, {"address": "10.10.0.2/24"}]}

    answer = leases.call("static", "ADD", conf(version, ipam))

    wanted = f"CNI version {version} does not support more than 1 address per family"
    assert answer.error == (999, wanted, "")
