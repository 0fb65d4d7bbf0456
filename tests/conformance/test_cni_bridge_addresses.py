"""Section C: addresses, gateways, routes and name servers of the bridge plugin."""

from __future__ import annotations

import time
from typing import Any

from tests.conformance.cni_bridge import conf, error
from tests.conformance.cni_leases import leased
from tests.conformance.cni_rows import FLAT, each_version, row
from tests.conformance.cni_world import HOST, SANDBOX, World

from polypod.cni.labels import ALL_VERSIONS


def fixed(*addresses: str, **keys: Any) -> dict[str, Any]:
    return {"type": "static", "addresses": [{"address": one} for one in addresses], **keys}


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


def test_name_servers_of_the_configuration_win(world: World) -> None:
    ipam = fixed("10.1.2.2/24", dns={"nameservers": ["192.0.2.1"], "search": ["a"]})

    result = world.call("bridge", "ADD", conf(ipam=ipam, dns={"nameservers": []})).ok()
    world.call("bridge", "DEL", conf(ipam=ipam)).ok()
    other = world.call("bridge", "ADD", conf(ipam=ipam, dns={"domain": ""})).ok()

    assert "dns" not in result
    assert other["dns"] == {"nameservers": ["192.0.2.1"], "search": ["a"]}
