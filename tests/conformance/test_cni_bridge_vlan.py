"""Section C: VLANs of the bridge plugin. What the kernel does needs its VLAN filtering."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.conformance.cni_leases import leased
from tests.conformance.cni_rows import row, table
from tests.conformance.cni_world import HOST, SANDBOX, World

from polypod.plugins import vlan_trunk

needs_filtering = pytest.mark.needs("bridge-vlan")
NATIVE, TAGGED = ["PVID", "Egress Untagged"], list[str]()
RANGES = [{"id": 101}, {"minID": 200, "maxID": 210}]
RANGE_IDS = (101, *range(200, 211))


def conf(**keys: Any) -> dict[str, Any]:
    return {"cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "br0", **keys}


def vlans(world: World, port: str) -> dict[int, list[str]]:
    """Return the VLANs of a port with their flags, ranges spread out."""
    listed = json.loads(world.sh(f"bridge -j vlan show dev {port}") or "[]")
    found: dict[int, list[str]] = {}
    for entry in listed:
        for one in entry["vlans"]:
            for number in range(one["vlan"], one.get("vlanEnd", one["vlan"]) + 1):
                found[number] = one.get("flags", [])
    return found


def is_filtering(world: World) -> bool:
    bridge = world.link("br0")
    assert bridge is not None
    return bool(bridge["linkinfo"]["info_data"]["vlan_filtering"])


@table(
    "keys, wanted",
    ("C10", {"vlan": 100}, {100: NATIVE}),
    ("C11", {"vlan": 100, "preserveDefaultVlan": True}, {1: ["Egress Untagged"], 100: NATIVE}),
    ("C12", {"vlanTrunk": RANGES}, {1: NATIVE, **dict.fromkeys(RANGE_IDS, TAGGED)}),
    (
        "C13",
        {"vlan": 100, "vlanTrunk": RANGES},
        {100: NATIVE, **dict.fromkeys(RANGE_IDS, TAGGED)},
    ),
    ("C15", {"vlanTrunk": []}, {1: NATIVE}),
)
@needs_filtering
def test_a_port_has_the_vlans_that_are_asked_for(
    world: World, keys: dict[str, Any], wanted: dict[int, list[str]]
) -> None:
    result = world.call("bridge", "ADD", conf(**keys)).ok()

    assert is_filtering(world)
    assert vlans(world, result["interfaces"][1]["name"]) == wanted


@table(
    "subnets, gateways",
    ("C14", ["10.1.2.0/24"], {"10.1.2.1/24"}),
    ("C14-v6", ["2001:db8::/64"], {"2001:db8::1/64"}),
    ("C14-both", ["10.1.2.0/24", "2001:db8::/64"], {"10.1.2.1/24", "2001:db8::1/64"}),
    (
        "C14-three",
        ["192.168.0.0/24", "fd00::/64", "2001:db8::/64"],
        {"192.168.0.1/24", "fd00::1/64", "2001:db8::1/64"},
    ),
)
@needs_filtering
def test_the_gateway_of_a_vlan_has_a_link_of_its_own(
    world: World, subnets: list[str], gateways: set[str]
) -> None:
    ipam = leased(world, *subnets)

    result = world.call("bridge", "ADD", conf(vlan=100, isDefaultGateway=True, ipam=ipam)).ok()

    assert set(world.addresses("br0.100")) == gateways and not world.addresses("br0")
    assert [one["name"] for one in result["interfaces"][2:]] == ["eth0", "br0.100"]
    links = {one["ifname"]: one for one in world.ip("link show")}
    assert len(links) == 5
    gateway = links["br0.100"]
    assert gateway["linkinfo"]["info_kind"] == "veth"
    peer = links[gateway["link"]]
    assert peer["master"] == "br0" and vlans(world, peer["ifname"]) == {100: NATIVE}
    second = world.make("cnires-second")
    world.call(
        "bridge",
        "ADD",
        conf(vlan=100, isDefaultGateway=True, ipam=ipam),
        NETNS=second,
        CONTAINERID="second",
    ).ok()
    world.remove("cnires-second")
    assert {one["ifname"] for one in world.ip("link show")} >= {"br0.100", peer["ifname"]}


@row("C66")
@needs_filtering
def test_filtering_of_a_bridge_that_was_there_stays_off(world: World) -> None:
    world.ip("link add br0 type bridge vlan_filtering 0")

    result = world.call("bridge", "ADD", conf(vlan=100)).ok()

    assert not is_filtering(world)
    assert 100 in vlans(world, result["interfaces"][1]["name"])


@table(
    "trunk, wanted",
    ("C16-empty", [], ()),
    ("C16-range", [{"minID": 100, "maxID": 105}], tuple(range(100, 106))),
    ("C16-id", [{"id": 10}], (10,)),
    ("C16-both", [{"minID": 100, "maxID": 105}, {"id": 10}], (10, *range(100, 106))),
    ("C16-twice", [{"id": 10}, {"id": 10, "minID": 9, "maxID": 11}], (9, 10, 11)),
)
def test_a_trunk_is_read(trunk: list[dict[str, int]], wanted: tuple[int, ...]) -> None:
    assert vlan_trunk.tagged({"vlanTrunk": trunk}) == wanted


MISSING = "minID and maxID should be configured simultaneously, {} is missing"


@table(
    "keys, msg",
    ("C18", {"vlanTrunk": [{"maxID": 105}]}, MISSING.format("minID")),
    ("C18-max", {"vlanTrunk": [{"minID": 105}]}, MISSING.format("maxID")),
    ("C19-low", {"vlanTrunk": [{"minID": -1, "maxID": 105}]}, "incorrect trunk minID parameter"),
    ("C19-high", {"vlanTrunk": [{"minID": 5000, "maxID": 105}]}, "incorrect trunk minID parameter"),
    ("C19-max", {"vlanTrunk": [{"minID": 1, "maxID": 5000}]}, "incorrect trunk maxID parameter"),
    ("C21-high", {"vlanTrunk": [{"id": 5000}]}, "incorrect trunk id parameter"),
    ("C21-low", {"vlanTrunk": [{"id": -1}]}, "incorrect trunk id parameter"),
    ("C21-zero", {"vlanTrunk": [{"id": 0}]}, "incorrect trunk id parameter"),
    (
        "C22",
        {"vlanTrunk": [{"minID": 1000, "maxID": 100}]},
        "minID is greater than maxID in trunk parameter",
    ),
    ("C22-vlan", {"vlan": 5000}, "invalid VLAN ID 5000 (must be between 0 and 4094)"),
)
def test_vlans_that_cannot_be(world: World, keys: dict[str, Any], msg: str) -> None:
    assert world.call("bridge", "ADD", conf(**keys)).error == (999, msg, "")
    assert world.link("br0", HOST) is None and world.link("eth0", SANDBOX) is None
