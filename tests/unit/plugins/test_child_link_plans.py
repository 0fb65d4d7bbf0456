"""Macvlan, ipvlan and loopback: facts in, ops out. Ids are the rows of the vectors."""

from __future__ import annotations

from ipaddress import ip_interface

import msgspec
import pytest
from msgspec.structs import replace
from tests.unit.plugins.calls import plugin_call

from polypod.cni.result import Interface, IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan import ops as op
from polypod.plan.facts import Address, AddressesQuery, Facts, Link, LinkQuery, MasterQuery, Where
from polypod.plugins._shape import Call, Plugin
from polypod.plugins.ipvlan import Ipvlan
from polypod.plugins.loopback import Loopback
from polypod.plugins.macvlan import Macvlan

PARENT = Link(name="eth9", index=7, mtu=1500)
LEASE = Result(ips=(IPConfig(address=ip_interface("10.1.2.2/24")),))
IPAM = {"type": "host-local"}


def _plan(
    plugin: Plugin, call: Call, lease: Result | None, parent: Link | None = PARENT
) -> tuple[op.Op, ...]:
    return plugin.plan_add(call, Facts(dict.fromkeys(plugin.reads(call), parent)), lease)


@pytest.mark.parametrize(
    ("config", "where"),
    [
        pytest.param({"master": "eth9"}, Where.HOST, id="D1"),
        pytest.param({"master": "eth9", "linkInContainer": True}, Where.SANDBOX, id="D2"),
        pytest.param({}, Where.HOST, id="D6"),
    ],
)
def test_a_macvlan_is_made_and_announces_itself(config: dict[str, object], where: Where) -> None:
    call = plugin_call(config)
    assert Macvlan().reads(call) == (MasterQuery(where, str(config.get("master", ""))),)
    assert _plan(Macvlan(), call, LEASE) == (
        op.AddMacvlan(ifname="eth0", parent="eth9", parent_where=where),
        op.Configure(
            ifname="eth0",
            addresses=("10.1.2.2/24",),
            sysctls=(
                op.SysctlSpec(key="net/ipv4/conf/eth0/arp_notify", value="1"),
                op.SysctlSpec(key="net/ipv6/conf/eth0/ndisc_notify", value="1"),
            ),
        ),
    )


@pytest.mark.parametrize("_row", [pytest.param(None, id="D18")])
def test_without_addresses_a_macvlan_only_goes_up(_row: None) -> None:
    assert _plan(Macvlan(), plugin_call({}), None)[1] == op.Configure(ifname="eth0")


@pytest.mark.parametrize(
    ("config", "arguments", "mac"),
    [
        pytest.param({}, "IgnoreUnknown=true;MAC=c2:11:22:33:44:55", "c2:11:22:33:44:55", id="D8"),
        pytest.param(
            {"mac": "c2:11:22:33:44:01", "runtimeConfig": {"mac": "c2:11:22:33:44:03"}},
            "MAC=c2:11:22:33:44:02",
            "c2:11:22:33:44:03",
            id="D9",
        ),
        pytest.param(
            {"mac": "c2:11:22:33:44:01"}, "MAC=c2:11:22:33:44:02", "c2:11:22:33:44:02", id="D9-args"
        ),
    ],
)
def test_the_mac_comes_from_the_first_that_asks(
    config: dict[str, object], arguments: str, mac: str
) -> None:
    made = _plan(Macvlan(), plugin_call(config, arguments), None)[0]
    assert isinstance(made, op.AddMacvlan)
    assert made.mac == mac


@pytest.mark.parametrize(
    ("plugin", "config", "parent", "text"),
    [
        pytest.param(
            Macvlan(), {"mode": "source"}, PARENT, 'unknown macvlan mode: "source"', id="D11"
        ),
        pytest.param(
            Macvlan(),
            {"mtu": 1501},
            PARENT,
            "invalid MTU 1501, must be [0, master MTU(1500)]",
            id="D12",
        ),
        pytest.param(
            Macvlan(),
            {"mtu": -1},
            PARENT,
            "invalid MTU -1, must be [0, master MTU(1500)]",
            id="D12-low",
        ),
        pytest.param(Macvlan(), {"master": "eth9"}, None, "Link not found", id="D17"),
        pytest.param(Macvlan(), {}, None, "no default route interface found", id="no-route"),
        pytest.param(Ipvlan(), {"mode": "l4"}, PARENT, 'unknown ipvlan mode: "l4"', id="E4"),
        pytest.param(
            Ipvlan(),
            {"master": "nope"},
            None,
            'failed to lookup master "nope": Link not found',
            id="E7",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(
    plugin: Plugin, config: dict[str, object], parent: Link | None, text: str
) -> None:
    with pytest.raises(PluginError) as caught:
        _plan(plugin, plugin_call({**config, "ipam": IPAM}), LEASE, parent)
    assert caught.value.cause == text


@pytest.mark.parametrize(
    "plugin", [pytest.param(Macvlan(), id="D3"), pytest.param(Ipvlan(), id="E7")]
)
def test_del_needs_nothing_but_the_name(plugin: Plugin) -> None:
    call = plugin_call({"mode": "nonsense"})
    assert plugin.plan_del(call) == (op.DeleteLink(ifname="eth0"),)
    assert plugin.plan_del(msgspec.structs.replace(call, notes={}, netns="")) == ()


@pytest.mark.parametrize("_row", [pytest.param(None, id="D21")])
def test_a_route_keeps_table_and_priority(_row: None) -> None:
    route = Route(dst=ip_interface("30.0.0.0/8"), priority=33, table=500, mtu=1300)
    configure = _plan(Macvlan(), plugin_call({}), replace(LEASE, routes=(route,)))[1]
    assert isinstance(configure, op.Configure)
    assert configure.routes == (op.RouteSpec(dst="30.0.0.0/8", priority=33, table=500),)


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        pytest.param({"master": "eth9"}, "l2", id="E1"),
        pytest.param({"mode": "l3"}, "l3", id="E3"),
        pytest.param({"mode": "l3s"}, "l3s", id="E3-s"),
        pytest.param({}, "l2", id="E6"),
    ],
)
def test_an_ipvlan_is_made(config: dict[str, object], mode: str) -> None:
    made = _plan(Ipvlan(), plugin_call({**config, "ipam": IPAM}), LEASE)[0]
    assert made == op.AddIpvlan(ifname="eth0", parent="eth9", mode=mode)


def test_a_chained_ipvlan_takes_parent_and_addresses_from_before() -> None:
    prev = replace(LEASE, interfaces=(Interface(name="eth9"),))
    call = plugin_call({}, prev=prev)
    assert Ipvlan().reads(call) == (MasterQuery(Where.HOST, "eth9"),)
    configure = _plan(Ipvlan(), call, None)[1]
    assert isinstance(configure, op.Configure)
    assert configure.addresses == ("10.1.2.2/24",)


@pytest.mark.parametrize("_row", [pytest.param(None, id="B1")])
def test_loopback_goes_up_and_reports_its_addresses(_row: None) -> None:
    call, plugin = plugin_call({}), Loopback()
    ops = plugin.plan_add(call, Facts(), None)
    assert ops == (op.SetLink(where=Where.SANDBOX, name="lo", up=True),)
    both = (Address(address="127.0.0.1/8"), Address(address="::1/128"))
    result = plugin.result(call, ops, Facts({AddressesQuery(Where.SANDBOX, "lo"): both}), None)
    assert result.interfaces == (
        Interface(name="lo", mac="00:00:00:00:00:00", sandbox="/run/netns/a"),
    )
    assert [str(ip.address) for ip in result.ips] == ["127.0.0.1/8", "::1/128"]


@pytest.mark.parametrize("_row", [pytest.param(None, id="B3")])
def test_loopback_goes_down_and_check_says_so(_row: None) -> None:
    call, plugin = plugin_call({}), Loopback()
    assert plugin.plan_del(call) == (op.SetLink(where=Where.SANDBOX, name="lo", up=False),)
    down = Facts({LinkQuery(Where.SANDBOX, "lo"): Link(name="lo", index=1)})
    with pytest.raises(PluginError, match="loopback interface is down"):
        plugin.check(call, down)


@pytest.mark.parametrize("_row", [pytest.param(None, id="B4")])
def test_loopback_del_without_a_sandbox_does_nothing(_row: None) -> None:
    assert Loopback().plan_del(msgspec.structs.replace(plugin_call({}), notes={}, netns="")) == ()


@pytest.mark.parametrize("_row", [pytest.param(None, id="B6")])
def test_loopback_passes_on_what_came_before(_row: None) -> None:
    assert Loopback().result(plugin_call({}, prev=LEASE), (), Facts(), None) == LEASE
