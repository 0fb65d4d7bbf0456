"""Section D: the macvlan plugin."""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_child_links import kind_and_mode, on_parent
from tests.conformance.cni_rows import FLAT, each_version, row, table
from tests.conformance.cni_world import HOST, SANDBOX, World

from polypod.cni.labels import ALL_VERSIONS


def conf(world: World, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return on_parent(world, "macvlan", version, **keys)


@each_version("D1")
def test_a_link_with_an_address(parent: World, version: str) -> None:
    config = conf(parent, version)

    result = parent.call("macvlan", "ADD", config).ok()

    assert kind_and_mode(parent) == ("macvlan", "bridge")
    link = parent.link("eth0", SANDBOX)
    assert link is not None and "UP" in link["flags"]
    assert parent.addresses("eth0", SANDBOX) == ["10.1.2.2/24"]
    if version not in FLAT:
        wanted = {"name": "eth0", "mac": link["address"], "sandbox": parent.netns}
        assert result["interfaces"] == [wanted]
        assert result["ips"][0]["interface"] == 0
    parent.call("macvlan", "DEL", config).ok()
    assert parent.link("eth0", SANDBOX) is None
    assert parent.lease_files() == {"last_reserved_ip.0": "10.1.2.2"}


@row("D2")
def test_a_parent_inside_the_sandbox(world: World) -> None:
    world.ip("link add eth9 up type veth peer name other", SANDBOX)

    world.call("macvlan", "ADD", conf(world, linkInContainer=True)).ok()

    link = world.link("eth0", SANDBOX)
    assert link is not None and link["link"] == "eth9" and kind_and_mode(world)[0] == "macvlan"


@row("D3")
def test_del_when_nothing_was_added(parent: World) -> None:
    assert parent.call("macvlan", "DEL", conf(parent)).code == 0


@each_version("D5", tuple(v for v in ALL_VERSIONS if v >= "0.4.0"))
def test_what_was_added_is_in_order(parent: World, version: str) -> None:
    config = conf(parent, version)
    result = parent.call("macvlan", "ADD", config).ok()

    answer = parent.call("macvlan", "CHECK", {**config, "prevResult": result})

    assert (answer.code, answer.stdout) == (0, "")


@row("D6")
@pytest.mark.parametrize("where", [HOST, SANDBOX])
def test_the_parent_is_the_default_routes_device(world: World, where: str) -> None:
    world.ip("link add eth9 up type veth peer name other", where)
    world.ip("link set other up", where)
    world.ip("address add 172.16.0.2/24 dev eth9", where)
    world.ip("route add default via 172.16.0.1", where)
    inside = where == SANDBOX

    world.call("macvlan", "ADD", conf(world, master=None, linkInContainer=inside)).ok()

    made = world.link("eth0", SANDBOX)
    eth9 = world.link("eth9", where)
    assert made is not None and eth9 is not None
    assert (made.get("link") == "eth9") if inside else (made["link_index"] == eth9["ifindex"])


@row("D6")
def test_without_a_default_route_there_is_no_parent(world: World) -> None:
    answer = world.call("macvlan", "ADD", conf(world, master=None))

    assert answer.error == (999, "no default route interface found", "")


@table(
    "keys, arguments, mac",
    ("D8", {}, "IgnoreUnknown=true;MAC=c2:11:22:33:44:55", "c2:11:22:33:44:55"),
    (
        "D9",
        {"mac": "c2:11:22:33:44:01", "runtimeConfig": {"mac": "c2:11:22:33:44:03"}},
        "IgnoreUnknown=true;MAC=c2:11:22:33:44:02",
        "c2:11:22:33:44:03",
    ),
    (
        "D9-arguments",
        {"mac": "c2:11:22:33:44:01"},
        "IgnoreUnknown=true;MAC=c2:11:22:33:44:02",
        "c2:11:22:33:44:02",
    ),
    ("D9-configuration", {"mac": "c2:11:22:33:44:01"}, "", "c2:11:22:33:44:01"),
)
def test_a_mac_may_be_asked_for(
    parent: World, keys: dict[str, Any], arguments: str, mac: str
) -> None:
    result = parent.call("macvlan", "ADD", conf(parent, **keys), ARGS=arguments).ok()

    link = parent.link("eth0", SANDBOX)
    assert link is not None and link["address"] == mac == result["interfaces"][0]["mac"]


@table(
    "keys, msg",
    ("D11", {"mode": "source"}, 'unknown macvlan mode: "source"'),
    ("D12", {"mtu": 1501}, "invalid MTU 1501, must be [0, master MTU(1500)]"),
    ("D12-negative", {"mtu": -1}, "invalid MTU -1, must be [0, master MTU(1500)]"),
    ("D12-master", {"master": "nope"}, "Link not found"),
    ("D12-mac", {"mac": "zz"}, "invalid args zz for MAC addr: address zz: invalid MAC address"),
    (
        "D15",
        {"routes": [{"dst": "20.0.0.0/8", "gw": "99.9.9.9"}]},
        (
            "failed to add route '{20.0.0.0 ff000000} via 99.9.9.9 dev eth0 metric 0"
            " (Scope: universe, Table: 0)': network is unreachable"
        ),
    ),
)
def test_what_cannot_be_leaves_nothing(parent: World, keys: dict[str, Any], msg: str) -> None:
    routes = keys.pop("routes", [])
    config = conf(parent, **keys)
    config["ipam"]["routes"] = routes

    assert parent.call("macvlan", "ADD", config).error == (999, msg, "")
    assert [one["ifname"] for one in parent.ip("link show", SANDBOX)] == ["lo"]
    assert set(parent.lease_files()) <= {"last_reserved_ip.0"}


@row("D14")
def test_a_name_that_is_taken(parent: World) -> None:
    parent.ip("link add eth0 type veth peer name other", SANDBOX)

    answer = parent.call("macvlan", "ADD", conf(parent))

    assert answer.error == (999, 'failed to rename macvlan to "eth0": file exists', "")
    assert {one["ifname"] for one in parent.ip("link show", SANDBOX)} == {"lo", "eth0", "other"}


@row("D17")
def test_check_after_the_parent_has_gone(parent: World) -> None:
    result = parent.call("macvlan", "ADD", conf(parent)).ok()
    parent.ip("link del eth9")

    answer = parent.call("macvlan", "CHECK", {**conf(parent), "prevResult": result})

    assert answer.error == (999, "Link not found", "")


@pytest.mark.parametrize(
    ("damage", "keys", "msg"),
    [
        ("ip link del eth0", {}, "container Interface name in prevResult: eth0 not found"),
        (
            "ip link del eth0; ip link add eth0 type bridge",
            {},
            "error: Container interface eth0 not of type macvlan",
        ),
        (
            "true",
            {"mode": "private"},
            "container macvlan mode bridge does not match expected value: private",
        ),
        ("ip link set eth0 address 02:11:22:33:44:55", {}, "interface eth0 Mac "),
        ("ip addr flush dev eth0", {}, "Failed to match addr 10.1.2.2/24 on interface eth0"),
    ],
)
def test_damage_is_found(parent: World, damage: str, keys: dict[str, Any], msg: str) -> None:
    result = parent.call("macvlan", "ADD", conf(parent)).ok()
    parent.sh(damage, SANDBOX)

    config = conf(parent, **keys, prevResult=result)

    assert parent.call("macvlan", "CHECK", config).error[1].startswith(msg)


def test_check_needs_a_result(parent: World) -> None:
    parent.call("macvlan", "ADD", conf(parent)).ok()

    answer = parent.call("macvlan", "CHECK", conf(parent))

    assert answer.error == (999, "required prevResult missing", "")


@table(
    "keys, values",
    ("D18", {}, ("1", "1")),
    ("D18-without-address", {"ipam": None}, ("0", "0")),
)
def test_addresses_are_announced(
    parent: World, keys: dict[str, Any], values: tuple[str, str]
) -> None:
    parent.call("macvlan", "ADD", conf(parent, **keys)).ok()

    arp = parent.sysctl("net/ipv4/conf/eth0/arp_notify")
    assert (arp, parent.sysctl("net/ipv6/conf/eth0/ndisc_notify")) == values


@row("D20")
def test_a_namespace_that_is_missing(parent: World) -> None:
    path = "/run/netns/nope"

    answer = parent.call("macvlan", "ADD", conf(parent), NETNS=path)

    # The reference shows %!q(<nil>) for the path.
    wanted = f'failed to open netns "{path}": failed to Statfs "{path}": no such file or directory'
    assert answer.error == (999, wanted, "")
    assert parent.lease_files() == {}


@row("D21")
def test_a_route_of_another_table(parent: World) -> None:
    route = {
        "dst": "20.0.0.0/8",
        "gw": "10.5.0.3",
        "table": 500,
        "priority": 33,
        "mtu": 1300,
    }
    addresses = [{"address": "10.5.0.2/24", "gateway": "10.5.0.1"}]
    ipam = {"type": "static", "addresses": addresses, "routes": [route]}

    result = parent.call("macvlan", "ADD", conf(parent, ipam=ipam)).ok()

    (found,) = parent.ip("-4 route show table 500", SANDBOX)
    assert (found["dst"], found["gateway"], found["metric"]) == ("20.0.0.0/8", "10.5.0.3", 33)
    assert "mtu" not in str(found)
    assert result["routes"] == [route]


@pytest.mark.parametrize("mode", ["bridge", "private", "vepa", "passthru"])
def test_every_mode(parent: World, mode: str) -> None:
    parent.call("macvlan", "ADD", conf(parent, mode=mode, bcqueuelen=500)).ok()

    assert kind_and_mode(parent) == ("macvlan", mode)
