"""Section C: the bridge plugin on a real kernel. CHECK and VLANs have files of their own."""

from __future__ import annotations

import time
from typing import Any

import pytest
from tests.conformance.cni_rows import each_version, row, table
from tests.conformance.cni_world import HOST, SANDBOX, World

from polypod.cni.labels import ALL_VERSIONS

NEW = ("1.0.0", "1.1.0")
FLAT = ("0.1.0", "0.2.0")


def conf(version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "name": "mynet",
        "type": "bridge",
        "bridge": "bridge0",
        **keys,
    }


def leased(world: World, *subnets: str, **keys: Any) -> dict[str, Any]:
    """Return a host-local section with a range set for each subnet."""
    sets = [[{"subnet": subnet}] for subnet in subnets]
    return {"type": "host-local", "dataDir": str(world.data), "ranges": sets, **keys}


def fixed(*addresses: str, **keys: Any) -> dict[str, Any]:
    return {"type": "static", "addresses": [{"address": one} for one in addresses], **keys}


def flags(world: World, name: str, where: str = HOST) -> list[str]:
    link = world.link(name, where)
    assert link is not None, name
    return list(link["flags"])


def error(world: World, config: dict[str, Any], **variables: str | None) -> str:
    return world.call("bridge", "ADD", config, **variables).error[1]


@row("C1")
def test_the_bridge_is_made(world: World) -> None:
    world.call("bridge", "ADD", conf()).ok()

    link = world.link("bridge0")
    assert link is not None and link["linkinfo"]["info_kind"] == "bridge"
    assert link["promiscuity"] == 0 and world.sysctl("net/ipv6/conf/bridge0/accept_ra", HOST) == "0"


@each_version("C3")
def test_a_default_gateway(world: World, version: str) -> None:
    config = conf(version, isDefaultGateway=True, ipam=leased(world, "10.1.2.0/24"))

    result = world.call("bridge", "ADD", config).ok()

    assert world.addresses("bridge0") == ["10.1.2.1/24"]
    assert world.addresses("eth0", SANDBOX) == ["10.1.2.2/24"]
    (default,) = [one for one in world.routes() if one["dst"] == "default"]
    assert default["gateway"] == "10.1.2.1" and "prefsrc" not in default
    assert world.sysctl("net/ipv4/ip_forward", HOST) == "1"
    if version in FLAT:
        assert result["ip4"]["ip"] == "10.1.2.2/24"
        return
    bridge, veth, eth0 = result["interfaces"]
    assert bridge["name"] == "bridge0" and bridge["mac"] != veth["mac"]
    assert eth0["name"] == "eth0" and eth0["sandbox"] == world.netns
    assert result["ips"][0]["interface"] == 2
    host_end = world.link(veth["name"])
    assert host_end is not None and host_end["master"] == "bridge0"


@each_version("C4")
def test_a_default_gateway_of_ipv6(world: World, version: str) -> None:
    config = conf(version, isDefaultGateway=True, ipam=leased(world, "2001:db8::/64"))

    world.call("bridge", "ADD", config).ok()

    assert world.addresses("bridge0") == ["2001:db8::1/64"]
    (default,) = [one for one in world.routes() if one["dst"] == "default"]
    assert default["gateway"] == "2001:db8::1"


@each_version("C6", tuple(v for v in ALL_VERSIONS if v not in FLAT))
def test_three_subnets(world: World, version: str) -> None:
    ipam = leased(world, "192.168.0.0/24", "fd00::/64", "2001:db8::/64")

    world.call("bridge", "ADD", conf(version, isDefaultGateway=True, ipam=ipam)).ok()

    assert set(world.addresses("bridge0")) == {"192.168.0.1/24", "fd00::1/64", "2001:db8::1/64"}
    defaults = [one["gateway"] for one in world.routes() if one["dst"] == "default"]
    assert defaults == ["192.168.0.1", "fd00::1"]


@each_version("C6", FLAT)
def test_an_old_version_has_one_address_of_a_family(world: World, version: str) -> None:
    ipam = leased(world, "192.168.0.0/24", "fd00::/64", "2001:db8::/64")
    config = conf(version, isDefaultGateway=True, ipam=ipam)

    answer = world.call("bridge", "ADD", config)

    wanted = f"CNI version {version} does not support more than 1 address per family"
    assert answer.error == (999, wanted, "")
    assert world.link("eth0", SANDBOX) is None
    world.call("bridge", "DEL", config).ok()  # the reference refuses this, too


@row("C7")
def test_name_servers_come_from_the_ipam(world: World) -> None:
    resolv = world.folder / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.3\n")
    config = conf(ipam=leased(world, "10.1.2.0/24", resolvConf=str(resolv)))

    result = world.call("bridge", "ADD", config).ok()

    assert result["dns"] == {"nameservers": ["192.0.2.3"]}


@each_version("C9", FLAT)
def test_an_old_version_cannot_say_a_link_without_address(world: World, version: str) -> None:
    answer = world.call("bridge", "ADD", conf(version))

    assert answer.error == (999, "cannot convert: no valid IP addresses", "")
    assert world.link("eth0", SANDBOX) is None  # the reference leaves it


@row("C24")
def test_another_address_on_the_bridge_is_in_the_way(world: World) -> None:
    _another_address(world, "10.0.0.1/8", "10.1.2.3/16", "10.1.0.1/16")


@row("C25")
def test_an_overlapping_ipv6_address_is_in_the_way(world: World) -> None:
    _another_address(world, "2001:db8:1::1/48", "2001:db8:1:2::1/64", "2001:db8:1:2::1/64")


def _another_address(world: World, present: str, leased_: str, gateway: str) -> None:
    world.ip("link add bridge0 up type bridge")
    world.ip(f"address add {present} dev bridge0 nodad")
    ipam = {
        "type": "static",
        "addresses": [{"address": leased_, "gateway": gateway.partition("/")[0]}],
    }

    refused = error(world, conf(isGateway=True, ipam=ipam))

    assert refused == (
        'failed to set bridge addr: "bridge0" already has an IP address different from ' + gateway
    )
    assert world.addresses("bridge0") == [present]
    world.call("bridge", "ADD", conf(isGateway=True, forceAddress=True, ipam=ipam)).ok()
    assert world.addresses("bridge0") == [gateway]


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


@row("C60")
def test_a_default_route_of_the_ipam_is_not_doubled(world: World) -> None:
    routes = [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}]
    config = conf(isDefaultGateway=True, ipam=leased(world, "10.1.2.0/24", routes=routes))

    world.call("bridge", "ADD", config).ok()

    assert [one["dst"] for one in world.routes()].count("default") == 1


@row("C61")
def test_two_routes_to_one_destination(world: World) -> None:
    routes = [{"dst": "10.9.0.0/16", "gw": "10.1.2.1"}, {"dst": "10.9.0.0/16", "gw": "10.1.2.7"}]
    config = conf(isGateway=True, ipam=leased(world, "10.1.2.0/24", routes=routes))

    world.call("bridge", "ADD", config).ok()

    found = [one["gateway"] for one in world.routes() if one["dst"] == "10.9.0.0/16"]
    assert found == ["10.1.2.7", "10.1.2.1"]


@row("C63")
def test_duplicate_address_detection_is_waited_for(world: World) -> None:
    config = conf(isGateway=True, enabledad=True, ipam=leased(world, "fd00:1::/64"))

    started = time.monotonic()
    world.call("bridge", "ADD", config).ok()

    assert 0.5 < time.monotonic() - started < 5
    link = world.link("eth0", SANDBOX)
    assert link is not None
    assert not any(one.get("tentative") for one in link["addr_info"] if one["scope"] == "global")
    assert world.sysctl("net/ipv6/conf/eth0/accept_dad") == "1"
    assert world.sysctl("net/ipv6/conf/eth0/enhanced_dad") == "1"


@row("C63")
def test_duplicate_address_detection_is_off_at_first(world: World) -> None:
    world.call("bridge", "ADD", conf(isGateway=True, ipam=leased(world, "fd00:1::/64"))).ok()

    assert world.sysctl("net/ipv6/conf/eth0/accept_dad") == "0"
    assert world.sysctl("net/ipv4/conf/eth0/arp_notify") == "1"


@row("C64")
def test_a_bridge_that_lost_its_ports_becomes_a_gateway(world: World) -> None:
    world.call("bridge", "ADD", conf()).ok()
    world.call("bridge", "DEL", conf()).ok()

    config = conf(isGateway=True, ipam=leased(world, "10.1.2.0/24"))
    result = world.call("bridge", "ADD", config).ok()  # the reference fails here

    assert result["interfaces"][0]["mac"].strip("0:")
    assert world.addresses("bridge0") == ["10.1.2.1/24"]


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


def test_name_servers_of_the_configuration_win(world: World) -> None:
    ipam = fixed("10.1.2.2/24", dns={"nameservers": ["192.0.2.1"], "search": ["a"]})

    result = world.call("bridge", "ADD", conf(ipam=ipam, dns={"nameservers": []})).ok()
    world.call("bridge", "DEL", conf(ipam=ipam)).ok()
    other = world.call("bridge", "ADD", conf(ipam=ipam, dns={"domain": ""})).ok()

    assert "dns" not in result
    assert other["dns"] == {"nameservers": ["192.0.2.1"], "search": ["a"]}
