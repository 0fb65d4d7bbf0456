"""Bridge: facts in, ops out. Ids are the rows of the acceptance vectors."""

from __future__ import annotations

import dataclasses
from ipaddress import ip_address, ip_interface

import pytest
from msgspec.structs import replace

from polypod.cni.result import Interface, IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan import ops as op
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
from polypod.plugins import vlan_trunk
from polypod.plugins._shape import Call
from polypod.plugins.bridge import Bridge
from polypod.plugins.mac_choice import derived

pytestmark = pytest.mark.unit
PLUGIN = Bridge()
BASE = Call(
    container_id="dummy",
    ifname="eth0",
    netns="/run/netns/a",
    network="mynet",
    cni_version="1.0.0",
    config={"bridge": "br0"},
    seed="0a1b2c3d",
)
BRIDGE_MAC = "0a:00:00:00:00:01"
V4 = Result(ips=(IPConfig(address=ip_interface("10.1.2.2/24")),))
HOST_LOCAL = {"type": "host-local", "subnet": "10.1.2.0/24"}


def _call(config: dict[str, object], arguments: str = "") -> Call:
    return dataclasses.replace(
        BASE, notes={}, config={"bridge": "br0", **config}, arguments=arguments
    )


def _plan(
    call: Call, lease: Result | None = None, answers: dict[Query, Fact] | None = None
) -> tuple[op.Op, ...]:
    empty: dict[Query, Fact] = {
        query: () if isinstance(query, AddressesQuery) else None for query in PLUGIN.reads(call)
    }
    return PLUGIN.plan_add(call, Facts({**empty, **(answers or {})}), lease)


def _one(ops: tuple[op.Op, ...], kind: type) -> object:
    (found,) = [o for o in ops if type(o) is kind]
    return found


@pytest.mark.parametrize(
    ("config", "arguments", "text"),
    [
        pytest.param({}, "FOO", 'ARGS: invalid pair "FOO"', id="A20"),
        pytest.param(
            {"vlanTrunk": [{"maxID": 105}]},
            "",
            "minID and maxID should be configured simultaneously, minID is missing",
            id="C18",
        ),
        pytest.param(
            {"vlanTrunk": [{"minID": -1, "maxID": 105}]},
            "",
            "incorrect trunk minID parameter",
            id="C19-low",
        ),
        pytest.param(
            {"vlanTrunk": [{"minID": 5000, "maxID": 105}]},
            "",
            "incorrect trunk minID parameter",
            id="C19-high",
        ),
        pytest.param({"vlanTrunk": [{"id": 5000}]}, "", "incorrect trunk id parameter", id="C21"),
        pytest.param({"vlanTrunk": [{"id": 0}]}, "", "incorrect trunk id parameter", id="C21-0"),
        pytest.param(
            {"vlanTrunk": [{"minID": 1000, "maxID": 100}]},
            "",
            "minID is greater than maxID in trunk parameter",
            id="C22",
        ),
        pytest.param(
            {},
            "MAC=zz",
            "failed to make veth pair: address zz: invalid MAC address",
            id="C30-zz",
        ),
        pytest.param(
            {},
            "MAC=01:00:5e:00:00:01",
            "failed to make veth pair: cannot assign requested address",
            id="C30-multicast",
        ),
        pytest.param(
            {"ipMasq": True, "ipMasqBackend": "pf"}, "", 'unknown ipmasq backend "pf"', id="C34"
        ),
        pytest.param(
            {"disableContainerInterface": True, "ipam": HOST_LOCAL},
            "",
            "cannot use IPAM when DisableContainerInterface flag is set",
            id="C36",
        ),
        pytest.param(
            {"hairpinMode": True, "promiscMode": True},
            "",
            "cannot set hairpin mode and promiscuous mode at the same time",
            id="C40",
        ),
        pytest.param(
            {"vlan": 5000}, "", "invalid VLAN ID 5000 (must be between 0 and 4094)", id="vlan"
        ),
    ],
)
def test_a_wrong_configuration_is_refused(
    config: dict[str, object], arguments: str, text: str
) -> None:
    with pytest.raises(PluginError) as caught:
        PLUGIN.reads(_call(config, arguments))
    assert caught.value.cause == text


TRUNK: list[object] = [{"id": 101}, {"minID": 200, "maxID": 202}]


@pytest.mark.parametrize(
    ("config", "pvid", "tagged", "clear"),
    [
        pytest.param({"vlan": 100}, 100, (), True, id="C10"),
        pytest.param({"vlan": 100, "preserveDefaultVlan": True}, 100, (), False, id="C11"),
        pytest.param({"vlanTrunk": TRUNK}, 1, (101, 200, 201, 202), True, id="C12"),
        pytest.param({"vlan": 100, "vlanTrunk": TRUNK}, 100, (101, 200, 201, 202), True, id="C13"),
    ],
)
def test_the_port_gets_its_vlans(
    config: dict[str, object], pvid: int, tagged: tuple[int, ...], *, clear: bool
) -> None:
    ops = _plan(_call(config))
    assert _one(ops, op.SetPortVlans) == op.SetPortVlans(
        port="veth0a1b2c3d", pvid=pvid, tagged=tagged, clear=clear
    )
    assert _one(ops, op.AddBridge) == op.AddBridge(name="br0", vlan_filtering=True)


@pytest.mark.parametrize(
    ("trunk", "expected"),
    [
        pytest.param([], (), id="C16-empty"),
        pytest.param([{"minID": 100, "maxID": 102}], (100, 101, 102), id="C16-range"),
        pytest.param([{"id": 10}], (10,), id="C16-id"),
        pytest.param([{"minID": 100, "maxID": 101}, {"id": 10}], (10, 100, 101), id="C16-both"),
    ],
)
def test_trunk_entries_are_united(trunk: list[object], expected: tuple[int, ...]) -> None:
    assert vlan_trunk.tagged({"vlanTrunk": trunk}) == expected


@pytest.mark.parametrize("_row", [pytest.param(None, id="C15")])
def test_an_empty_trunk_filters_and_keeps_the_default_vlan(_row: None) -> None:
    ops = _plan(_call({"vlanTrunk": []}))
    assert _one(ops, op.AddBridge) == op.AddBridge(name="br0", vlan_filtering=True)
    assert not [o for o in ops if isinstance(o, op.SetPortVlans)]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C3")])
def test_a_default_gateway_gives_address_route_and_forwarding_in_this_order(_row: None) -> None:
    ops = _plan(_call({"isDefaultGateway": True, "ipam": HOST_LOCAL}), V4)
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
    assert isinstance(ops[0], op.AddBridge) and ops[0].mac == derived(BASE.seed, "br0")


@pytest.mark.parametrize("_row", [pytest.param(None, id="C6")])
def test_three_subnets_give_three_gateways_and_one_default_per_family(_row: None) -> None:
    texts = ("192.168.0.2/24", "fd00::2/64", "2001:db8::2/64")
    lease = Result(ips=tuple(IPConfig(address=ip_interface(text)) for text in texts))
    ops = _plan(_call({"isDefaultGateway": True, "ipam": HOST_LOCAL}), lease)
    gateways = [o.address for o in ops if isinstance(o, op.AddGateway)]
    assert gateways == ["192.168.0.1/24", "fd00::1/64", "2001:db8::1/64"]
    configure = _one(ops, op.Configure)
    assert isinstance(configure, op.Configure)
    assert [(r.dst, r.gw) for r in configure.routes] == [
        ("0.0.0.0/0", "192.168.0.1"),
        ("::/0", "fd00::1"),
    ]
    assert configure.settle


@pytest.mark.parametrize("_row", [pytest.param(None, id="C14")])
def test_a_vlan_gateway_has_a_link_of_its_own(_row: None) -> None:
    ops = _plan(_call({"isDefaultGateway": True, "vlan": 100, "ipam": HOST_LOCAL}), V4)
    made = _one(ops, op.AddVlanGateway)
    assert isinstance(made, op.AddVlanGateway)
    assert (made.name, made.bridge, made.vlan, made.clear) == ("br0.100", "br0", 100, True)
    gateway = _one(ops, op.AddGateway)
    assert gateway == op.AddGateway(link="br0.100", address="10.1.2.1/24")
    assert ops.index(made) < [type(o) for o in ops].index(op.AddGateway)


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
        _plan(_call({"isGateway": True}), lease, answers)
    assert caught.value.cause == (
        f'failed to set bridge addr: "br0" already has an IP address different from {wanted}'
    )
    ops = _plan(_call({"isGateway": True, "forceAddress": True}), lease, answers)
    assert _one(ops, op.AddGateway) == op.AddGateway(
        link="br0", address=wanted, remove=(present,), mac=BRIDGE_MAC
    )


@pytest.mark.parametrize(
    ("config", "arguments", "mac"),
    [
        pytest.param({}, "MAC=02:00:00:00:00:00", "02:00:00:00:00:00", id="C27"),
        pytest.param(
            {"args": {"cni": {"mac": "02:00:00:00:07:89"}}},
            "MAC=02:00:00:00:04:56",
            "02:00:00:00:07:89",
            id="C28",
        ),
        pytest.param({}, "IgnoreUnknown=1;K8S_POD_NAME=x", "", id="A22"),
    ],
)
def test_the_mac_comes_from_the_first_that_asks(
    config: dict[str, object], arguments: str, mac: str
) -> None:
    veth = _one(_plan(_call(config, arguments)), op.AddVeth)
    assert isinstance(veth, op.AddVeth)
    assert veth.mac == mac


def test_a_spoof_check_without_a_mac_makes_one_and_uses_it() -> None:
    ops = _plan(_call({"macspoofchk": True}))
    veth, rule = _one(ops, op.AddVeth), _one(ops, op.AddSpoofCheck)
    assert isinstance(veth, op.AddVeth)
    assert isinstance(rule, op.AddSpoofCheck)
    assert veth.mac == rule.mac
    assert int(veth.mac[:2], 16) & 3 == 2


@pytest.mark.parametrize("_row", [pytest.param(None, id="C33")])
def test_masquerade_names_the_addresses(_row: None) -> None:
    ops = _plan(_call({"ipMasq": True, "ipMasqBackend": "nftables"}), V4)
    assert _one(ops, op.AddMasquerade) == op.AddMasquerade(
        network="mynet", container_id="dummy", ifname="eth0", addresses=("10.1.2.2/24",)
    )


@pytest.mark.parametrize("_row", [pytest.param(None, id="C37")])
def test_a_disabled_interface_is_neither_set_up_nor_waited_for(_row: None) -> None:
    ops = _plan(_call({"disableContainerInterface": True}))
    assert [type(o).__name__ for o in ops] == ["AddBridge", "AddVeth"]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C39")])
def test_hairpin_goes_to_the_port(_row: None) -> None:
    veth = _one(_plan(_call({"hairpinMode": True})), op.AddVeth)
    assert isinstance(veth, op.AddVeth)
    assert veth.hairpin


@pytest.mark.parametrize("_row", [pytest.param(None, id="C42")])
def test_the_mtu_goes_to_bridge_and_pair(_row: None) -> None:
    ops = _plan(_call({"mtu": 5000}))
    assert [o.mtu for o in ops if isinstance(o, (op.AddBridge, op.AddVeth))] == [5000, 5000]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C54")])
def test_a_device_that_is_no_bridge_is_refused(_row: None) -> None:
    answers: dict[Query, Fact] = {LinkQuery(Where.HOST, "notbr"): Link(name="notbr", index=2)}
    with pytest.raises(PluginError) as caught:
        _plan(_call({"bridge": "notbr"}), None, answers)
    assert caught.value.cause == (
        'failed to create bridge "notbr": "notbr" already exists but is not a bridge'
    )


@pytest.mark.parametrize("_row", [pytest.param(None, id="C58")])
def test_del_without_a_sandbox_leaves_links_alone_and_takes_the_rules(_row: None) -> None:
    call = dataclasses.replace(_call({"macspoofchk": True, "vlan": 5000}), notes={}, netns="")
    assert PLUGIN.plan_del(call) == (op.RemoveSpoofCheck(container_id="dummy", ifname="eth0"),)


@pytest.mark.parametrize(
    "gateway", [pytest.param("10.1.2.1", id="C60"), pytest.param("", id="gwless")]
)
def test_a_default_route_of_the_ipam_is_not_doubled(gateway: str) -> None:
    route = Route(dst=ip_interface("0.0.0.0/0"), gw=ip_address(gateway) if gateway else None)
    configure = _one(
        _plan(_call({"isDefaultGateway": True}), replace(V4, routes=(route,))), op.Configure
    )
    assert isinstance(configure, op.Configure)
    assert configure.routes == (op.RouteSpec(dst="0.0.0.0/0", gw="10.1.2.1"),)


@pytest.mark.parametrize("_row", [pytest.param(None, id="C61")])
def test_two_routes_to_one_place_are_both_asked_for(_row: None) -> None:
    routes = tuple(
        Route(dst=ip_interface("20.0.0.0/8"), gw=ip_address(gw)) for gw in ("10.1.2.1", "10.1.2.7")
    )
    configure = _one(_plan(_call({}), replace(V4, routes=routes)), op.Configure)
    assert isinstance(configure, op.Configure)
    assert [route.gw for route in configure.routes] == ["10.1.2.1", "10.1.2.7"]


@pytest.mark.parametrize("_row", [pytest.param(None, id="C63")])
def test_duplicate_detection_is_switched_on_by_enabledad(_row: None) -> None:
    configure = _one(_plan(_call({"enabledad": True}), V4), op.Configure)
    assert isinstance(configure, op.Configure)
    assert [(s.key.rsplit("/", 1)[1], s.value) for s in configure.sysctls] == [
        ("enhanced_dad", "1"),
        ("accept_dad", "1"),
        ("arp_notify", "1"),
    ]


def test_a_lease_without_addresses_is_refused() -> None:
    with pytest.raises(PluginError, match="IPAM plugin returned missing IP config"):
        _plan(_call({}), Result())


BRIDGE = Link(name="br0", index=3, kind="bridge", mac="02:00:00:00:00:03")
OUTER = Link(name="veth0a1b2c3d", index=5, kind="veth", mac="02:00:00:00:00:05", master=3)
INNER = Link(name="eth0", index=2, kind="veth", mac="02:00:00:00:00:02", parent=5)
MADE = Result(
    interfaces=(
        Interface(name="br0", mac=BRIDGE.mac),
        Interface(name=OUTER.name, mac=OUTER.mac),
        Interface(name="eth0", mac=INNER.mac, sandbox=BASE.netns),
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


def _check(call: Call, changed: dict[Query, Fact]) -> None:
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
    _check(
        dataclasses.replace(_call({"isDefaultGateway": True}), prev_result=MADE, notes={}), changed
    )


@pytest.mark.parametrize("_row", [pytest.param(None, id="C52")])
def test_check_of_a_bridge_without_addresses_passes(_row: None) -> None:
    _check(
        dataclasses.replace(_call({}), prev_result=Result(interfaces=MADE.interfaces), notes={}), {}
    )


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
        _check(dataclasses.replace(_call({"isGateway": True}), prev_result=prev, notes={}), changed)
    assert caught.value.cause == text


def test_the_result_lists_bridge_host_end_and_sandbox_end() -> None:
    call = _call({"isDefaultGateway": True})
    ops = _plan(call, V4)
    facts = Facts({query: HEALTHY[query] for query in PLUGIN.reads_after(call, ops)})
    result = PLUGIN.result(call, ops, facts, V4)
    assert result.interfaces == MADE.interfaces
    assert result.ips == (replace(MADE.ips[0], interface=2),)
    assert result.routes == MADE.routes
