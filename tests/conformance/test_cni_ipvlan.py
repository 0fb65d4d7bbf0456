"""Section E: the ipvlan plugin. Most rows need a kernel that has ipvlan."""

from __future__ import annotations

from typing import Any

import pytest
from tests import features
from tests.conformance.cni_child_links import kind_and_mode, on_parent
from tests.conformance.cni_rows import FLAT, each_version, row
from tests.conformance.cni_world import HOST, SANDBOX, World

from polypod.cni.labels import ALL_VERSIONS

needs_ipvlan = pytest.mark.needs("ipvlan")


def conf(world: World, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return on_parent(world, "ipvlan", version, **keys)


@each_version("E1")
@needs_ipvlan
def test_a_link_with_an_address(parent: World, version: str) -> None:
    config = conf(parent, version)

    result = parent.call("ipvlan", "ADD", config).ok()

    assert kind_and_mode(parent) == ("ipvlan", "l2")
    assert parent.addresses("eth0", SANDBOX) == ["10.1.2.2/24"]
    if version not in FLAT:
        assert [one["name"] for one in result["interfaces"]] == ["eth0"]
        assert result["ips"][0]["interface"] == 0
    if version >= "0.4.0":
        checked = parent.call("ipvlan", "CHECK", {**config, "prevResult": result})
        assert (checked.code, checked.stdout) == (0, "")
    parent.call("ipvlan", "DEL", config).ok()
    assert parent.link("eth0", SANDBOX) is None


@row("E3")
@needs_ipvlan
@pytest.mark.parametrize("name", ["l3", "l3s"])
def test_the_other_modes(parent: World, name: str) -> None:
    parent.call("ipvlan", "ADD", conf(parent, mode=name)).ok()

    assert kind_and_mode(parent) == ("ipvlan", name)


@row("E4")
def test_a_mode_that_is_none(parent: World) -> None:
    answer = parent.call("ipvlan", "ADD", conf(parent, mode="l4"))

    assert answer.error == (999, 'unknown ipvlan mode: "l4"', "")


@row("E6")
@needs_ipvlan
def test_the_parent_is_the_default_routes_device(parent: World) -> None:
    parent.ip("link set other up")
    parent.ip("address add 172.16.0.2/24 dev eth9")
    parent.ip("route add default via 172.16.0.1")

    parent.call("ipvlan", "ADD", conf(parent, master=None)).ok()

    made, eth9 = parent.link("eth0", SANDBOX), parent.link("eth9", HOST)
    assert made is not None and eth9 is not None and made["link_index"] == eth9["ifindex"]


@row("E7")
def test_a_parent_that_is_not_there(parent: World) -> None:
    config = conf(parent, master="nope")

    answer = parent.call("ipvlan", "ADD", config)

    assert answer.error == (999, 'failed to lookup master "nope": Link not found', "")
    assert parent.call("ipvlan", "DEL", config).code == 0


@row("E9")
def test_a_kernel_without_the_driver_says_so(parent: World) -> None:
    answer = parent.call("ipvlan", "ADD", conf(parent))

    if features.is_here("ipvlan"):
        assert answer.code == 0
    else:
        assert answer.error == (999, "failed to create ipvlan: operation not supported", "")
        assert parent.lease_files() == {"last_reserved_ip.0": "10.1.2.2"}


@needs_ipvlan
@pytest.mark.parametrize("version", [v for v in ALL_VERSIONS if v not in FLAT])
def test_a_chained_link_takes_parent_and_addresses_of_the_result(
    parent: World, version: str
) -> None:
    before = {
        "cniVersion": version,
        "interfaces": [{"name": "eth9"}],
        "ips": [{"version": "4", "address": "10.1.2.9/24", "interface": 0}],
    }
    config = conf(parent, version, master=None, ipam=None, prevResult=before)

    result = parent.call("ipvlan", "ADD", config).ok()

    assert parent.addresses("eth0", SANDBOX) == ["10.1.2.9/24"]
    assert [one["name"] for one in result["interfaces"]] == ["eth0"]


@pytest.mark.parametrize("links", [[], [{"name": "a"}, {"name": "b"}], [{"name": ""}]])
def test_a_chained_link_needs_one_parent(parent: World, links: list[dict[str, str]]) -> None:
    before = {"cniVersion": "1.0.0", "interfaces": links}

    answer = parent.call("ipvlan", "ADD", conf(parent, master=None, prevResult=before))

    wanted = "chained master failure. PrevResult lacks a single named interface"
    assert answer.error == (999, wanted, "")
