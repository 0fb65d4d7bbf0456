"""Section C: the links of the bridge plugin, its rules, and what it refuses.

Addresses, CHECK and VLANs have files of their own.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_bridge import conf, error
from tests.conformance.cni_leases import leased
from tests.conformance.cni_rows import row, table
from tests.conformance.cni_world import HOST, SANDBOX, World


def flags(world: World, name: str, where: str = HOST) -> list[str]:
    link = world.link(name, where)
    assert link is not None, name
    return list(link["flags"])


@row("C1")
def test_the_bridge_is_made(world: World) -> None:
    world.call("bridge", "ADD", conf()).ok()

    link = world.link("bridge0")
    assert link is not None and link["linkinfo"]["info_kind"] == "bridge"
    assert link["promiscuity"] == 0 and world.sysctl("net/ipv6/conf/bridge0/accept_ra", HOST) == "0"


@table(
    "keys, arguments, mac",
    ("C27", {}, "MAC=02:00:00:00:00:00", "02:00:00:00:00:00"),
    (
        "C28",
        {"args": {"cni": {"mac": "02:00:00:00:07:89"}}},
        "MAC=02:00:00:00:04:56",
        "02:00:00:00:07:89",
    ),
    (
        "C28-runtime",
        {
            "args": {"cni": {"mac": "02:00:00:00:07:89"}},
            "runtimeConfig": {"mac": "02:00:00:00:0a:bc"},
        },
        "MAC=02:00:00:00:04:56",
        "02:00:00:00:0a:bc",
    ),
)
def test_a_mac_may_be_asked_for(
    world: World, keys: dict[str, Any], arguments: str, mac: str
) -> None:
    result = world.call("bridge", "ADD", conf(**keys), ARGS=arguments).ok()

    link = world.link("eth0", SANDBOX)
    assert link is not None and link["address"] == mac
    assert result["interfaces"][2]["mac"] == mac


@table(
    "mac, msg",
    ("C30", "zz", "failed to make veth pair: address zz: invalid MAC address"),
    ("C30-group", "01:00:5e:00:00:01", "failed to make veth pair: cannot assign requested address"),
)
def test_a_mac_that_no_link_can_have(world: World, mac: str, msg: str) -> None:
    assert error(world, conf(runtimeConfig={"mac": mac})) == msg
    assert world.link("eth0", SANDBOX) is None


@row("C31")
def test_a_failure_after_the_lease_keeps_no_address(world: World) -> None:
    routes = [{"dst": "20.0.0.0/8", "gw": "99.9.9.9"}]
    config = conf(ipam=leased(world, "10.1.2.0/24", routes=routes))

    msg = error(world, config)

    assert msg.startswith("failed to add route '{20.0.0.0 ff000000} via 99.9.9.9 dev eth0")
    assert world.lease_files() == {"last_reserved_ip.0": "10.1.2.2"}
    assert world.link("eth0", SANDBOX) is None
    assert [one["ifname"] for one in world.ip("link show")] == ["lo", "bridge0"]


@row("C33")
@pytest.mark.needs("nft-inet")
def test_masquerading_is_one_commented_rule(world: World) -> None:
    config = conf(ipMasq=True, ipMasqBackend="nftables", ipam=leased(world, "10.1.2.0/24"))

    world.call("bridge", "ADD", config).ok()

    listed = world.sh("nft list table inet cni_plugins_masquerade")
    assert listed.count("masquerade comment") == 1
    assert (
        "ip saddr 10.1.2.2 ip daddr != 10.1.2.0/24 masquerade comment"
        ' "d23676b4f2d9fe04-678b25cd6528b49d, net: mynet, if: eth0, id: dummy"'
    ) in listed
    assert "type nat hook postrouting priority srcnat; policy accept;" in listed
    assert "ip daddr 224.0.0.0/4 return" in listed and "ip6 daddr ff00::/8 return" in listed
    world.call("bridge", "DEL", config).ok()
    assert "masquerade comment" not in world.sh("nft list table inet cni_plugins_masquerade")


@table(
    "keys, msg",
    ("C34", {"ipMasq": True, "ipMasqBackend": "pf"}, 'unknown ipmasq backend "pf"'),
    (
        "C36",
        {"disableContainerInterface": True},
        "cannot use IPAM when DisableContainerInterface flag is set",
    ),
    (
        "C40",
        {"hairpinMode": True, "promiscMode": True},
        "cannot set hairpin mode and promiscuous mode at the same time",
    ),
)
def test_keys_that_cannot_be_used(world: World, keys: dict[str, Any], msg: str) -> None:
    assert error(world, conf(ipam=leased(world, "10.1.2.0/24"), **keys)) == msg
    assert world.link("eth0", SANDBOX) is None and world.lease_files() == {}


@row("C37")
def test_the_sandbox_end_may_stay_down(world: World) -> None:
    result = world.call("bridge", "ADD", conf(disableContainerInterface=True)).ok()

    assert "UP" not in flags(world, "eth0", SANDBOX)
    assert result["interfaces"][2]["name"] == "eth0"
    assert result["interfaces"][2]["sandbox"] == world.netns


@row("C39")
def test_hairpin_mode(world: World) -> None:
    result = world.call("bridge", "ADD", conf(hairpinMode=True)).ok()

    port = world.link(result["interfaces"][1]["name"])
    assert port is not None and port["linkinfo"]["info_slave_data"]["hairpin"] is True


@row("C42")
def test_the_mtu_of_a_bridge_that_is_new(world: World) -> None:
    world.call("bridge", "ADD", conf(mtu=5000)).ok()

    bridge, inner = world.link("bridge0"), world.link("eth0", SANDBOX)
    assert bridge is not None and inner is not None
    assert (bridge["mtu"], inner["mtu"]) == (5000, 5000)


@row("C42")
def test_the_mtu_of_a_bridge_that_was_there(world: World) -> None:
    world.ip("link add bridge0 mtu 1500 type bridge")
    world.ip("link set bridge0 mtu 1400")

    world.call("bridge", "ADD", conf(mtu=9000)).ok()

    bridge, inner = world.link("bridge0"), world.link("eth0", SANDBOX)
    assert bridge is not None and inner is not None
    assert (bridge["mtu"], inner["mtu"]) == (1400, 9000)


@table(
    "subnet",
    ("C43", "10.1.2.0/24"),
    ("C43-ipv6", "2001:db8::/64"),
)
def test_the_mac_of_a_bridge_never_changes(world: World, subnet: str) -> None:
    world.ip("link add bridge0 address 02:00:00:00:00:77 type bridge")
    config = conf(isGateway=True, ipam=leased(world, subnet))
    seen: list[str] = []

    for verb in ("ADD", "DEL", "ADD"):
        world.call("bridge", verb, config).ok()
        link = world.link("bridge0")
        seen.append("" if link is None else link["address"])

    assert seen == ["02:00:00:00:00:77"] * 3


def test_the_mac_of_a_new_bridge_outlives_its_first_port(world: World) -> None:
    config = conf(isGateway=True, ipam=leased(world, "10.1.2.0/24"))
    first = world.call("bridge", "ADD", config).ok()["interfaces"][0]["mac"]

    world.call("bridge", "DEL", config).ok()

    again = world.call("bridge", "ADD", config).ok()["interfaces"][0]["mac"]
    assert again == first


@row("C54")
def test_a_name_that_is_no_bridge(world: World) -> None:
    world.ip("link add notbr type veth peer name other")

    msg = error(world, conf(bridge="notbr"))

    assert msg == ('failed to create bridge "notbr": "notbr" already exists but is not a bridge')


@row("C55")
def test_an_ipam_plugin_that_is_not_there(world: World) -> None:
    config = conf(ipam={"type": "nonexistent"})

    msg = error(world, config, PATH="/one:/two")

    assert msg == 'failed to find plugin "nonexistent" in path [/one /two]'
    assert world.link("eth0", SANDBOX) is None  # the reference leaves it
    world.call("bridge", "DEL", conf()).ok()


@row("C57")
def test_del_after_the_namespace_has_gone(world: World) -> None:
    config = conf(ipam=leased(world, "10.1.2.0/24"))
    world.call("bridge", "ADD", config).ok()
    world.remove(SANDBOX)

    world.call("bridge", "DEL", config).ok()

    assert world.lease_files() == {"last_reserved_ip.0": "10.1.2.2"}


@row("C58")
def test_del_without_a_namespace(world: World) -> None:
    config = conf(ipam=leased(world, "10.1.2.0/24"))
    world.call("bridge", "ADD", config).ok()

    world.call("bridge", "DEL", config, NETNS="").ok()

    assert world.lease_files() == {"last_reserved_ip.0": "10.1.2.2"}
    assert world.link("eth0", SANDBOX) is not None


def test_promiscuous_mode(world: World) -> None:
    world.call("bridge", "ADD", conf(promiscMode=True)).ok()

    assert "PROMISC" in flags(world, "bridge0")


def test_an_isolated_port(world: World) -> None:
    result = world.call("bridge", "ADD", conf(portIsolation=True)).ok()

    port = world.link(result["interfaces"][1]["name"])
    assert port is not None and port["linkinfo"]["info_slave_data"]["isolated"] is True


def test_the_default_name_is_cni0(world: World) -> None:
    config = conf()
    del config["bridge"]

    world.call("bridge", "ADD", config).ok()

    assert world.link("cni0") is not None
