"""Bridge: what CHECK compares, and what a result lists. Ids are the rows of the vectors."""

from __future__ import annotations

from ipaddress import ip_address, ip_interface

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.plugins.bridge_call import PLUGIN, V4, bridge_call, planned
from tests.unit.plugins.calls import NETNS

from polypod.cni.result import Interface, IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan.facts import (
    Address,
    AddressesQuery,
    Fact,
    Facts,
    Link,
    LinkQuery,
    Query,
    RouteFact,
    RoutesQuery,
    Where,
)

BRIDGE = Link(name="br0", index=3, kind="bridge", mac="02:00:00:00:00:03")
OUTER = Link(name="veth0a1b2c3d", index=5, kind="veth", mac="02:00:00:00:00:05", master=3)
INNER = Link(name="eth0", index=2, kind="veth", mac="02:00:00:00:00:02", parent=5)
MADE = Result(
    interfaces=(
        Interface(name="br0", mac=BRIDGE.mac),
        Interface(name=OUTER.name, mac=OUTER.mac),
        Interface(name="eth0", mac=INNER.mac, sandbox=NETNS),
    ),
    ips=(IPConfig(address=ip_interface("10.1.2.2/24"), gateway=ip_address("10.1.2.1")),),
    routes=(Route(dst=ip_interface("0.0.0.0/0"), gw=ip_address("10.1.2.1")),),
)
HEALTHY: dict[Query, Fact] = {
    LinkQuery(Where.HOST, "br0"): BRIDGE,
    LinkQuery(Where.HOST, OUTER.name): OUTER,
    LinkQuery(Where.SANDBOX, "eth0"): INNER,
    AddressesQuery(Where.SANDBOX, "eth0"): (Address(address="10.1.2.2/24"),),
    RoutesQuery(Where.SANDBOX): (
        RouteFact(dst="10.1.2.0/24"),
        RouteFact(dst="0.0.0.0/0", gw="10.1.2.1"),
    ),
}


def _check(config: dict[str, object], prev: Result | None, changed: dict[Query, Fact]) -> None:
    call = msgspec.structs.replace(bridge_call(config), prev_result=prev)
    answers = {**HEALTHY, **changed}
    PLUGIN.check(call, Facts({query: answers[query] for query in PLUGIN.check_reads(call)}))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({}, id="C45"),
        pytest.param(
            {
                RoutesQuery(Where.SANDBOX): (
                    RouteFact(dst="10.1.2.0/24"),
                    RouteFact(dst="0.0.0.0/0", gw="10.1.2.7"),
                )
            },
            id="C49",
        ),
    ],
)
def test_check_passes(changed: dict[Query, Fact]) -> None:
    _check({"isDefaultGateway": True}, MADE, changed)


@pytest.mark.parametrize("_row", [pytest.param(None, id="C52")])
def test_check_of_a_bridge_without_addresses_passes(_row: None) -> None:
    _check({}, Result(interfaces=MADE.interfaces), {})


@pytest.mark.parametrize(
    ("prev", "changed", "text"),
    [
        pytest.param(None, {}, "Required prevResult missing", id="C46"),
        pytest.param(
            MADE,
            {RoutesQuery(Where.SANDBOX): (RouteFact(dst="10.1.2.0/24"),)},
            "Expected Route {Dst:{IP:0.0.0.0 Mask:00000000} GW:10.1.2.1 MTU:0 AdvMSS:0 Priority:0"
            " Table:<nil> Scope:<nil>} not found in routing table",
            id="C48",
        ),
        pytest.param(
            MADE,
            {LinkQuery(Where.HOST, OUTER.name): replace(OUTER, master=0)},
            "CNI veth created for bridge br0 was not found",
            id="C51",
        ),
        pytest.param(
            MADE,
            {AddressesQuery(Where.SANDBOX, "eth0"): ()},
            "Failed to match addr 10.1.2.2/24 on interface eth0",
            id="address",
        ),
    ],
)
def test_check_names_the_difference(
    prev: Result | None, changed: dict[Query, Fact], text: str
) -> None:
    with pytest.raises(PluginError) as caught:
        _check({"isGateway": True}, prev, changed)
    assert caught.value.cause == text


def test_the_result_lists_bridge_host_end_and_sandbox_end() -> None:
    call = bridge_call({"isDefaultGateway": True})
    ops = planned(call, V4)
    facts = Facts({query: HEALTHY[query] for query in PLUGIN.reads_after(call, ops)})
    result = PLUGIN.result(call, ops, facts, V4)
    assert result.interfaces == MADE.interfaces
    assert result.ips == (replace(MADE.ips[0], interface=2),)
    assert result.routes == MADE.routes
