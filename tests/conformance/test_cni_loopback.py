"""Section B: the loopback plugin."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_rows import each_version, row
from tests.conformance.cni_world import SANDBOX, World


def conf(version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {"cniVersion": version, "name": "lonet", "type": "loopback", **keys}


def is_up(world: World) -> bool:
    link = world.link("lo", SANDBOX)
    return link is not None and "UP" in link["flags"]


@each_version("B1")
def test_lo_goes_up_and_is_told_in_the_newest_shape(world: World, version: str) -> None:
    result = world.call("loopback", "ADD", conf(version), IFNAME="lo").ok()

    assert is_up(world)
    assert result == {
        "cniVersion": version,
        "interfaces": [{"mac": "00:00:00:00:00:00", "name": "lo", "sandbox": world.netns}],
        "ips": [
            {"address": "127.0.0.1/8", "interface": 0},
            {"address": "::1/128", "interface": 0},
        ],
    }


@row("B3")
def test_del_sets_lo_down(world: World) -> None:
    config = {**conf(), "prevResult": world.call("loopback", "ADD", conf(), IFNAME="lo").ok()}
    assert world.call("loopback", "CHECK", config, IFNAME="lo").code == 0

    world.call("loopback", "DEL", conf(), IFNAME="lo").ok()

    assert not is_up(world)
    answer = world.call("loopback", "CHECK", config, IFNAME="lo")
    assert answer.error == (999, "loopback interface is down", "")


@row("B4")
@pytest.mark.parametrize("path", ["", "/run/netns/nope", None])
def test_del_without_a_namespace(world: World, path: str | None) -> None:
    assert world.call("loopback", "DEL", conf(), NETNS=path, IFNAME="lo").code == 0


def test_without_a_version_it_is_told_in_the_oldest_shape(world: World) -> None:
    result = world.call("loopback", "ADD", {"name": "lonet"}, IFNAME="lo").ok()

    assert result == {
        "cniVersion": "0.1.0",
        "ip4": {"ip": "127.0.0.1/8"},
        "ip6": {"ip": "::1/128"},
        "dns": {},
    }


@pytest.mark.parametrize(
    ("version", "before"),
    [
        ("0.2.0", {"ip4": {"ip": "10.0.0.2/24"}, "dns": {}}),
        (
            "0.4.0",
            {
                "interfaces": [{"name": "eth0"}],
                "ips": [{"version": "4", "interface": 0, "address": "10.0.0.2/24"}],
                "dns": {},
            },
        ),
    ],
)
def test_what_came_before_keeps_the_shape_of_its_version(
    world: World, version: str, before: dict[str, Any]
) -> None:
    told = {"cniVersion": version, **before}

    assert world.call("loopback", "ADD", conf(version, prevResult=told), IFNAME="lo").ok() == told


@row("B6")
def test_a_result_that_came_before_is_printed_again(world: World) -> None:
    before = {
        "cniVersion": "1.0.0",
        "interfaces": [{"mac": "02:00:00:00:00:01", "name": "eth0", "sandbox": world.netns}],
        "ips": [{"address": "10.0.0.2/24", "gateway": "10.0.0.1", "interface": 0}],
    }

    result = world.call("loopback", "ADD", conf(prevResult=before), IFNAME="lo").ok()

    assert result == before and is_up(world)
