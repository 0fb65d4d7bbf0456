"""Bridge: addresses, gateways and routes. Ids are the rows of the acceptance vectors."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import pytest
from msgspec.structs import replace
from tests.unit.plugins.bridge_call import HOST_LOCAL, V4, bridge_call, only, planned
from tests.unit.plugins.calls import SEED

from polypod.cni.result import IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan import ops as op
from polypod.plan.facts import Address, AddressesQuery, Fact, Link, LinkQuery, Query, Where
from polypod.plugins.mac_choice import derived

BRIDGE_MAC = "0a:00:00:00:00:01"


@pytest.mark.parametrize("_row", [pytest.param(None, id="C3")])
def test_a_default_gateway_gives_address_route_and_forwarding_in_this_order(_row: None) -> None:
    ops = planned(bridge_call({"isDefaultGateway": True, "ipam": HOST_LOCAL}), V4)
    assert [type(o).__name__ for o in ops] == [
        "AddBridge",
        "AddVeth",
        "Configure",
        "AddGateway",
        "EnableForwarding",
        "WaitOperUp",
    ]
    assert ops[2] == op.Configure(
        ifname="eth0",
        addresses=("10.1.2.2/24",),
        routes=(op.RouteSpec(dst="0.0.0.0/0", gw="10.1.2.1"),),
        sysctls=(
            op.SysctlSpec(key="net/ipv6/conf/eth0/accept_dad", value="0"),
            op.SysctlSpec(key="net/ipv4/conf/eth0/arp_notify", value="1"),
        ),
    )
    assert ops[3] == op.AddGateway(link="br0", address="10.1.2.1/24")
    assert isinstance(ops[0], op.AddBridge) and ops[0].mac == derived(SEED, "br0")


@pytest.mark.parametrize("_row", [pytest.param(None, id="C6")])
def test_three_subnets_give_three_gateways_and_one_default_per_family(_row: None) -> None:
    texts = ("192.168.0.2/24", "fd00::2/64", "2001:db8::2/64")
    lease = Result(ips=tuple(IPConfig(address=ip_interface(text)) for text in texts))
    ops = planned(bridge_call({"isDefaultGateway": True, "ipam": HOST_LOCAL}), lease)
    gateways = [o.address for o in ops if isinstance(o, op.AddGateway)]
    assert gateways == ["192.168.0.1/24", "fd00::1/64", "2001:db8::1/64"]
    configure = only(ops, op.Configure)
    assert isinstance(configure, op.Configure)
    assert [(r.dst, r.gw) for r in configure.routes] == [
        ("0.0.0.0/0", "192.168.0.1"),
        ("::/0", "fd00::1"),
    ]
    assert configure.settle


@pytest.mark.parametrize(
    ("present", "leased", "wanted"),
    [
        pytest.param("10.0.0.1/8", "10.1.2.9/16", "10.1.0.1/16", id="C24"),
        pytest.param("2001:db8:1::1/48", "2001:db8:1:2::5/64", "2001:db8:1:2::1/64", id="C25"),
    ],
)
def test_another_gateway_is_in_the_way_unless_forced(
    present: str, leased: str, wanted: str
) -> None:
    answers: dict[Query, Fact] = {
        AddressesQuery(Where.HOST, "br0"): (Address(address=present),),
        LinkQuery(Where.HOST, "br0"): Link(name="br0", index=3, kind="bridge", mac=BRIDGE_MAC),
    }
    lease = Result(ips=(IPConfig(address=ip_interface(leased)),))
    with pytest.raises(PluginError) as caught:
        planned(bridge_call({"isGateway": True}), lease, answers)
    assert caught.value.cause == (
        f'failed to set bridge addr: "br0" already has an IP address different from {wanted}'
    )
    ops = planned(bridge_call({"isGateway": True, "forceAddress": True}), lease, answers)
    assert only(ops, op.AddGateway) == op.AddGateway(
        link="br0", address=wanted, remove=(present,), mac=BRIDGE_MAC
    )


@pytest.mark.parametrize(
    "gateway", [pytest.param("10.1.2.1", id="C60"), pytest.param("", id="gwless")]
)
def test_a_default_route_of_the_ipam_is_not_doubled(gateway: str) -> None:
    route = Route(dst=ip_interface("0.0.0.0/0"), gw=ip_address(gateway) if gateway else None)
    configure = only(
        planned(bridge_call({"isDefaultGateway": True}), replace(V4, routes=(route,))), op.Configure
    )
    assert isinstance(configure, op.Configure)
    assert configure.routes == (op.RouteSpec(dst="0.0.0.0/0", gw="10.1.2.1"),)


@pytest.mark.parametrize("_row", [pytest.param(None, id="C61")])
def test_two_routes_to_one_place_are_both_asked_for(_row: None) -> None:
    routes = tuple(
        Route(dst=ip_interface("20.0.0.0/8"), gw=ip_address(gw)) for gw in ("10.1.2.1", "10.1.2.7")
    )
    configure = only(planned(bridge_call({}), replace(V4, routes=routes)), op.Configure)
    assert isinstance(configure, op.Configure)
    assert [route.gw for route in configure.routes] == ["10.1.2.1", "10.1.2.7"]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C63")])
def test_duplicate_detection_is_switched_on_by_enabledad(_row: None) -> None:
    configure = only(planned(bridge_call({"enabledad": True}), V4), op.Configure)
    assert isinstance(configure, op.Configure)
    assert [(s.key.rsplit("/", 1)[1], s.value) for s in configure.sysctls] == [
        ("enhanced_dad", "1"),
        ("accept_dad", "1"),
        ("arp_notify", "1"),
    ]


def test_a_lease_without_addresses_is_refused() -> None:
    with pytest.raises(PluginError, match="IPAM plugin returned missing IP config"):
        planned(bridge_call({}), Result())
