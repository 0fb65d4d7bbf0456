"""Section T: what the plugins share: rules of nftables, sysctls, the order of addresses, links."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.cni_rows import row, table
from tests.conformance.cni_world import SANDBOX, World

from polypod.ipam import ranges
from polypod.kernel import nft, sysctl

BRIDGE = {"cniVersion": "1.0.0", "name": "mynet", "type": "bridge", "bridge": "br0"}


@row("T4")
def test_the_mark_of_a_masquerade_rule_is_the_references() -> None:
    assert nft.masquerade_mark("unit-test", "four", "eth0") == "6fd94d501e58f0aa-e766de567ef6c543"
    assert nft.short_hash("eth0:one") == "287fc69eff0574a2"


@row("T4")
@pytest.mark.needs("nft-inet")
def test_only_the_rule_of_the_container_that_goes_is_removed(world: World) -> None:
    def conf(address: str) -> dict[str, Any]:
        ipam = {"type": "static", "addresses": [{"address": address}]}
        return {**BRIDGE, "name": "unit-test", "ipMasq": True, "ipam": ipam}

    def masqueraded() -> dict[str, str]:
        listed = world.sh("nft list chain inet cni_plugins_masquerade masq_checks")
        rules = [line.split() for line in listed.splitlines() if "masquerade comment" in line]
        return {words[-1].strip('"'): words[2] for words in rules}

    others = {name: world.make(f"cnires-{name}") for name in ("one", "four")}
    for name, path in others.items():
        world.call("bridge", "ADD", conf("10.0.0.1/24"), CONTAINERID=name, NETNS=path).ok()
    assert masqueraded() == {"one": "10.0.0.1", "four": "10.0.0.1"}

    world.call("bridge", "DEL", conf("10.0.0.1/24"), CONTAINERID="one", NETNS=others["one"]).ok()

    assert masqueraded() == {"four": "10.0.0.1"}
    for name in others:
        world.remove(f"cnires-{name}")


@table(
    "key",
    ("T7", "net.ipv4.conf.eth0/1.proxy_arp"),
    ("T7-slashes", "net/ipv4/conf/eth0.1/proxy_arp"),
)
def test_the_first_separator_of_a_sysctl_decides(key: str) -> None:
    assert sysctl.path_of(key) == "/proc/sys/net/ipv4/conf/eth0.1/proxy_arp"


@row("T7")
def test_a_link_with_a_dot_in_its_name_is_tuned(world: World) -> None:
    name = "eth0.1"
    world.ip(f"link add {name} type veth peer name other", SANDBOX)
    config = {
        "cniVersion": "1.0.0",
        "name": "mynet",
        "type": "tuning",
        "sysctl": {"net.ipv4.conf.IFNAME.proxy_arp": "1"},
        "prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": name}]},
    }

    world.call("tuning", "ADD", config, IFNAME=name).ok()

    assert world.sysctl(f"net/ipv4/conf/{name}/proxy_arp") == "1"


@table(
    "subnet, last, following",
    ("T8", "192.168.0.0/16", "192.168.0.255", "192.168.1.0"),
    ("T8-small", "0.1.0.0/16", "0.1.0.5", "0.1.0.6"),
    ("T8-v6", "AB12::/64", "AB12::FFFF", "AB12::1:0"),
)
def test_the_next_address_may_be_of_the_next_block(subnet: str, last: str, following: str) -> None:
    one = ranges.parse_set([{"subnet": subnet}], 0)

    assert next(ranges.walk(one, last))[0] == ip_address(following)


@row("T8")
def test_the_last_address_of_a_range_may_be_of_the_block_before() -> None:
    found = ranges.parse({"subnet": "192.168.0.0/23", "rangeStart": "192.168.1.0"})

    assert str(found.end) == "192.168.1.254"


@row("T10")
def test_a_name_that_is_taken_in_the_sandbox(world: World) -> None:
    world.ip("link add eth0 type veth peer name other", SANDBOX)

    code, msg, _ = world.call("bridge", "ADD", BRIDGE).error

    start, end = 'container veth name ("eth0") peer provided ("veth', '") already exists'
    assert code == 999 and msg.startswith(start) and msg.endswith(end)
    assert {one["ifname"] for one in world.ip("link show", SANDBOX)} == {"lo", "eth0", "other"}


@row("T11")
@pytest.mark.parametrize("type_", ["bridge", "macvlan", "loopback", "tuning"])
def test_a_file_and_nothing_are_no_namespaces_each_in_its_way(world: World, type_: str) -> None:
    world.ip("link add eth9 up type veth peer name other")
    plain = world.folder / "plain"
    plain.touch()
    before = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]}
    config = {
        **BRIDGE,
        "type": type_,
        "master": "eth9",
        "mtu": 1400,
        "dataDir": str(world.data),
        "prevResult": before,
    }
    missing = Path("/run/netns/nope")

    _, of_file, _ = world.call(type_, "ADD", config, NETNS=str(plain)).error
    _, of_nothing, _ = world.call(type_, "ADD", config, NETNS=str(missing)).error

    assert f'unknown FS magic on "{plain}": ' in of_file
    assert of_nothing.endswith(f'failed to Statfs "{missing}": no such file or directory')
    bare = type_ in {"loopback", "tuning"}
    assert [of_file.startswith("unknown"), of_nothing.startswith("failed to Statfs")] == [bare] * 2
    assert world.call(type_, "DEL", config, NETNS=str(plain)).code == 1
    assert world.call(type_, "DEL", config, NETNS=str(missing)).code == 0
