"""What look() answers is what iproute2 says, in small worlds that Hypothesis makes up."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.kernel.world import World

from polypod.plan.facts import (
    AddressesQuery,
    Facts,
    Link,
    LinkQuery,
    MasterQuery,
    PortQuery,
    Query,
    RoutesQuery,
    SysctlQuery,
    Where,
)

HOST, SANDBOX = Where.HOST, Where.SANDBOX
NAMES = ("a0", "b-1", "c.2", "delta", "e" * 15)
FLAGS = ("up", "promisc on", "allmulticast on", "mtu 1300", "txqueuelen 17", "group 9")

KINDS = st.sampled_from(["veth", "bridge", "macvlan"])
MACVLAN_MODES = st.sampled_from(["bridge", "private", "vepa"])


@st.composite
def links(draw: st.DrawFn) -> list[str]:
    """Return the lines of `ip` that make some links, with addresses and routes."""
    lines: list[str] = ["link add uplink type veth peer name far", "link set far up"]
    bridges: list[str] = []
    for place, name in enumerate(draw(st.lists(st.sampled_from(NAMES), unique=True))):
        kind = draw(KINDS)
        far = f" peer name far{place}" if kind == "veth" else ""
        mode = f" mode {draw(MACVLAN_MODES)}" if kind == "macvlan" else ""
        parent = " link uplink" if kind == "macvlan" else ""
        lines.append(f"link add{parent} name {name} type {kind}{mode}{far}")
        if kind == "veth":
            lines.append(f"link set far{place} up")
            if draw(st.booleans()) and bridges:
                lines.append(f"link set {name} master {draw(st.sampled_from(bridges))}")
        if kind == "bridge":
            bridges.append(name)
        lines.extend(
            f"link set {name} {flag}" for flag in draw(st.sets(st.sampled_from(FLAGS))) - {"up"}
        )
        if draw(st.booleans()):
            lines += [f"link set {name} up", *draw(addresses(name, place))]
    return lines


@st.composite
def addresses(draw: st.DrawFn, name: str, place: int) -> list[str]:
    """Return lines that give a link addresses, and routes through their networks."""
    lines: list[str] = []
    if draw(st.booleans()):
        lines.append(f"addr add 10.{place}.0.2/{draw(st.sampled_from([8, 24, 31, 32]))} dev {name}")
        if draw(st.booleans()):
            lines.append(f"route add 192.168.{place}.0/24 dev {name} metric {place + 1}")
            lines.append(f"route add 172.16.{place}.0/24 via 10.{place}.0.3 dev {name} onlink")
            lines.append(
                f"route add default via 10.{place}.0.3 dev {name} onlink metric {place + 9}"
            )
            lines.append(f"route add 192.0.2.{place} dev {name} table 77")
            lines.append(f"route add blackhole 198.51.100.{place}")
    if draw(st.booleans()):
        lines.append(f"addr add fd0{place}::2/64 dev {name}")
        if draw(st.booleans()):
            lines.append(f"route add fd9{place}::/64 via fd0{place}::3 dev {name} metric 5")
            lines.append(f"route add default via fd0{place}::3 dev {name} metric {place + 9}")
    return lines


def look(world: World, *queries: Query) -> Facts:
    with world.enter() as namespaces:
        return namespaces.look(queries)


def expected_link(told: dict[str, Any], indexes: dict[str, int]) -> Link:
    """Return a link as iproute2's JSON has it."""
    flags, info = set(told["flags"]), told.get("linkinfo", {})
    inner = info.get("info_data", {})
    parent = told.get("link_index") or indexes.get(str(told.get("link")), 0)
    return Link(
        name=told["ifname"],
        index=told["ifindex"],
        kind=info.get("info_kind", ""),
        mac=told["address"],
        mtu=told["mtu"],
        up="UP" in flags,
        operstate=told["operstate"].lower(),
        promisc="PROMISC" in flags or told["promiscuity"] > 0,
        allmulti="ALLMULTI" in flags,
        tx_queue_len=told["txqlen"],
        master=indexes.get(told.get("master", ""), 0),
        parent=parent,
        mode=inner.get("mode", "") if info.get("info_kind") in {"macvlan", "ipvlan"} else "",
        vlan_filtering=bool(inner.get("vlan_filtering", 0)),
        alias=told.get("ifalias", ""),
    )


def expected_routes(world: World, where: Where) -> set[tuple[object, ...]]:
    """Return the unicast routes of the main table as iproute2's JSON has them."""
    found: set[tuple[object, ...]] = set()
    for family, default, length in (("-4", "0.0.0.0/0", 32), ("-6", "::/0", 128)):
        for told in world.ask(where, "ip", "-j", "-d", family, "route", "show", "table", "main"):
            if told.get("type", "unicast") != "unicast":
                continue
            dst = default if told["dst"] == "default" else told["dst"]
            found.add((
                dst if "/" in dst else f"{dst}/{length}",
                told.get("gateway", ""),
                told["dev"],
                told.get("prefsrc", ""),
                told.get("metric", 0),
            ))  # fmt: skip
    return found


@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(links())
def test_links_addresses_and_routes_are_those_that_ip_shows(lines: list[str]) -> None:
    world = World()
    try:
        world.ip(SANDBOX, *lines)
        told = {link["ifname"]: link for link in world.ask(SANDBOX, "ip", "-j", "-d", "addr")}
        indexes = {name: link["ifindex"] for name, link in told.items()}

        facts = look(
            world,
            *(LinkQuery(SANDBOX, name) for name in told),
            *(AddressesQuery(SANDBOX, name) for name in told),
            RoutesQuery(SANDBOX),
        )

        for name, link in told.items():
            seen, wanted = facts.link(SANDBOX, name), expected_link(link, indexes)
            assert seen is not None
            assert (seen, name) == (with_operstate(wanted, seen.operstate), name)
            assert {a.address for a in facts.addresses(SANDBOX, name)} == {
                f"{a['local']}/{a['prefixlen']}" for a in link["addr_info"]
            }
        routes = {(r.dst, r.gw, r.device, r.src, r.priority) for r in facts.routes(SANDBOX)}
        assert routes == expected_routes(world, SANDBOX)
    finally:
        world.close()


def with_operstate(link: Link, state: str) -> Link:
    """Return a link in another operational state: it follows the carrier, a moment later."""
    assert state in {"up", "down", "lowerlayerdown", "unknown"}
    return msgspec.structs.replace(link, operstate=state)


def test_nothing_is_found_where_nothing_is(world: World) -> None:
    queries: tuple[Query, ...] = (
        LinkQuery(SANDBOX, "net1"),
        LinkQuery(SANDBOX, "n" * 16),
        LinkQuery(SANDBOX, ""),
        MasterQuery(HOST, ""),
        AddressesQuery(SANDBOX, "net1"),
        SysctlQuery(SANDBOX, "net/ipv4/conf/net1/forwarding"),
        PortQuery("net1"),
    )

    facts = look(world, *queries)

    assert [facts.answers[query] for query in queries] == [None, None, None, None, (), None, None]


def test_without_a_sandbox_its_facts_are_empty(world: World) -> None:
    queries: tuple[Query, ...] = (
        LinkQuery(SANDBOX, "lo"),
        AddressesQuery(SANDBOX, "lo"),
        RoutesQuery(SANDBOX),
        SysctlQuery(SANDBOX, "net/ipv4/ip_forward"),
        LinkQuery(HOST, "lo"),
    )

    with world.enter_host_only() as namespaces:
        facts = namespaces.look(queries)

    assert [facts.answers[query] for query in queries[:4]] == [None, (), (), None]
    assert facts.link(HOST, "lo") is not None


@pytest.mark.parametrize(
    ("routes", "parent"),
    [
        (("route add default via 10.0.0.9",), "up0"),
        (("route add default nexthop via 10.0.0.9 nexthop via 10.1.0.9",), "up0"),
        (("route add default via fd00::9",), "up0"),
        (
            (
                "route add default via 10.1.0.9 metric 5",
                "route add default via 10.0.0.9 metric 50",
            ),
            "up1",
        ),
        (("route add default via 10.1.0.9 table 9",), None),
    ],
    ids=["IPv4", "several ways", "IPv6", "the lowest metric", "another table"],
)
def test_the_default_parent_has_the_first_default_route(
    routes: tuple[str, ...], parent: str | None, world: World
) -> None:
    for place in (0, 1):
        world.ip(
            HOST,
            f"link add up{place} type veth peer name far{place}",
            f"link set far{place} up",
            f"link set up{place} up",
            f"addr add 10.{place}.0.1/24 dev up{place}",
        )
    world.ip(HOST, "addr add fd00::1/64 dev up0", *routes)

    master = look(world, MasterQuery(HOST, "")).master(HOST, "")

    assert (master.name if master else None) == parent


def test_a_link_is_found_by_an_alternative_name(world: World) -> None:
    world.ip(
        HOST,
        "link add up0 type veth peer name far0",
        "link set up0 alias uplink",
        "link property add dev up0 altname enp3s0",
    )

    facts = look(world, LinkQuery(HOST, "enp3s0"))

    link = facts.link(HOST, "enp3s0")
    assert link is not None and (link.name, link.alias) == ("up0", "uplink")


@pytest.mark.needs("bridge-vlan")
def test_a_port_is_what_bridge_shows(world: World) -> None:
    world.ip(
        HOST,
        "link add br0 type bridge vlan_filtering 1",
        "link add p0 type veth peer name p1",
        "link set p0 master br0",
        "link set p1 master br0",
    )
    for line in ("vlan add dev p0 vid 5 pvid untagged", "vlan add dev p0 vid 10-20"):
        world.run(HOST, "bridge", *line.split())
    world.run(HOST, "bridge", "link", "set", "dev", "p0", "hairpin", "on", "isolated", "on")

    port = look(world, PortQuery("p0")).port("p0")

    assert port is not None and port.hairpin and port.isolated
    assert (port.pvid, port.vlans) == (5, (1, 5, *range(10, 21)))


@pytest.mark.needs("bridge-vlan")
def test_ports_with_every_vlan_are_read_whole(world: World) -> None:
    world.ip(HOST, "link add br0 type bridge vlan_filtering 1")
    for name in ("p0", "p1", "p2"):
        world.ip(
            HOST, f"link add {name} type veth peer name {name}-far", f"link set {name} master br0"
        )
        world.run(HOST, "bridge", "vlan", "add", "dev", name, "vid", "2-4094")

    facts = look(world, PortQuery("p0"), PortQuery("p2"))

    for name in ("p0", "p2"):
        port = facts.port(name)
        assert port is not None and port.vlans == tuple(range(1, 4095))
