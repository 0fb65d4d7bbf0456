"""Section I: addresses that a configuration, the runtime or arguments ask host-local for."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_leases import add, conf, error, one_each
from tests.conformance.cni_rows import FLAT, row, table
from tests.conformance.cni_world import World

from polypod.cni.labels import ALL_VERSIONS
from polypod.ipam import host_local
from polypod.ipam._shape import LeaseCall


def read(config: dict[str, Any], arguments: str = "") -> host_local.Settings:
    return host_local.settings(
        LeaseCall(
            container_id="dummy",
            ifname="eth0",
            network="mynet",
            cni_version=config["cniVersion"],
            config=config,
            arguments=arguments,
        )
    )


@row("I2")
def test_sets_and_ranges_are_read(leases: World) -> None:
    first = {
        "subnet": "10.1.2.0/24",
        "rangeStart": "10.1.2.9",
        "rangeEnd": "10.1.2.20",
        "gateway": "10.1.2.30",
    }
    other = {"subnet": "11.1.2.0/24", "rangeStart": "11.1.2.9", "rangeEnd": "11.1.2.20"}

    found = read(conf(leases, ipam={"ranges": [[first, {"subnet": "10.1.4.0/24"}], [other]]}))

    assert [[str(one) for one in part] for part in found.sets] == [
        ["10.1.2.9-10.1.2.20", "10.1.4.1-10.1.4.254"],
        ["11.1.2.9-11.1.2.20"],
    ]
    assert str(found.sets[0][0].gateway) == "10.1.2.30"


@table(
    "tail",
    ("I5", ""),
    ("I5-prefix", "/24"),
)
def test_addresses_that_are_asked_for_add_up(leases: World, tail: str) -> None:
    asked = [f"10.1.2.11{tail}", f"11.11.11.11{tail}", f"2001:db8:1::11{tail}"]
    config = conf(leases, ipam={"subnet": "10.1.2.0/24"}, args={"cni": {"ips": asked}})

    found = read(config, f"IP=10.1.2.10{tail}")

    wanted = ["10.1.2.10", "10.1.2.11", "11.11.11.11", "2001:db8:1::11"]
    assert [str(one) for one in found.requested] == wanted


@row("I6")
def test_the_runtime_asks_for_addresses(leases: World) -> None:
    asked = {"ips": ["192.168.0.1", "192.168.0.5/24", "2001:db8::1/64"]}

    found = read(conf(leases, ipam={"subnet": "10.1.2.0/24"}, runtimeConfig=asked))

    assert [str(one) for one in found.requested] == ["192.168.0.1", "192.168.0.5", "2001:db8::1"]


@table(
    "version",
    *((f"I21-{version}", version) for version in ALL_VERSIONS if version not in FLAT),
)
def test_an_address_of_each_set_may_be_asked_for(leases: World, version: str) -> None:
    asked = {"cni": {"ips": ["10.1.2.88", "10.1.3.77"]}}
    config = conf(leases, version, one_each("10.1.2.0/24", "10.1.3.0/24"), args=asked)

    assert add(leases, config) == ["10.1.2.88/24", "10.1.3.77/24"]


@row("I22")
def test_an_address_of_a_later_range_may_be_asked_for(leases: World) -> None:
    sets = [
        [{"subnet": "172.16.1.0/24"}, {"subnet": "10.1.2.0/24"}],
        [{"subnet": "2001:db8:1::/48"}],
    ]
    asked = {"cni": {"ips": ["10.1.2.88", "2001:db8:1::999"]}}

    found = add(leases, conf(leases, ipam={"ranges": sets}, args=asked))

    assert found == ["10.1.2.88/24", "2001:db8:1::999/48"]


def test_an_ipv4_address_may_be_written_as_ipv6(leases: World) -> None:
    asked = {"cni": {"ips": ["::ffff:10.1.2.88"]}}

    found = add(leases, conf(leases, ipam=one_each("10.1.2.0/24"), args=asked))

    assert found == ["10.1.2.88/24"]


@row("I24")
def test_the_gateway_cannot_be_asked_for(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))

    msg = error(leases, config, ARGS="IP=10.1.2.1")

    assert msg == "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"


@pytest.mark.parametrize(
    ("arguments", "msg"),
    [
        (
            "IP=banana",
            'ARGS: error parsing value of pair "IP=banana": invalid IP address banana',
        ),
        ("MAC=02:00:00:00:00:01", 'ARGS: unknown args ["MAC=02:00:00:00:00:01"]'),
        ("IP", 'ARGS: invalid pair "IP"'),
    ],
)
def test_arguments_that_cannot_be(leases: World, arguments: str, msg: str) -> None:
    assert error(leases, conf(leases, ipam=one_each("10.1.2.0/24")), ARGS=arguments) == msg
