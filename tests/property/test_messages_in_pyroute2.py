"""Every message that we build means to pyroute2 what it means to us."""

from __future__ import annotations

import ipaddress
import socket

from hypothesis import given
from hypothesis import strategies as st
from tests.property import oracle

from polypod.kernel import links, routes
from polypod.plan.ops import RouteSpec

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_.", min_size=1, max_size=15)
MACS = st.binary(min_size=6, max_size=6).map(lambda raw: raw.hex(":"))
SIZES = st.integers(68, 65535)
INDEXES = st.integers(1, (1 << 31) - 1)
DESCRIPTORS = st.integers(0, 1 << 20)
VLANS = st.integers(1, 4094)
ADDRESSES = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
).map(lambda pair: f"{pair[0]}/{pair[1]}")


def without_none(**fields: object) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value not in (None, 0, "")}


@given(NAMES, NAMES, DESCRIPTORS, st.none() | INDEXES, st.none() | SIZES, st.none() | MACS)
def test_a_pair(
    host_name: str, ifname: str, sandbox: int, master: int | None, mtu: int | None, mac: str | None
) -> None:
    body = links.veth(
        host_name=host_name,
        ifname=ifname,
        sandbox=sandbox,
        master=master or 0,
        mtu=mtu or 0,
        mac=mac or "",
    )

    queues = {"IFLA_NUM_TX_QUEUES": 1, "IFLA_NUM_RX_QUEUES": 1}
    peer = {
        **without_none(IFLA_MTU=mtu, IFLA_ADDRESS=mac),
        **queues,
        "IFLA_IFNAME": ifname,
        "IFLA_GROUP": links.OUR_GROUP,
        "IFLA_NET_NS_FD": sandbox,
    }
    assert oracle.read("link", body) == {
        **without_none(IFLA_MTU=mtu, IFLA_MASTER=master),
        **queues,
        "flags": links.IFF_UP,
        "change": links.IFF_UP,
        "IFLA_IFNAME": host_name,
        "IFLA_LINKINFO": {"IFLA_INFO_KIND": "veth", "IFLA_INFO_DATA": {"VETH_INFO_PEER": peer}},
    }


@given(
    NAMES,
    INDEXES,
    st.none() | DESCRIPTORS,
    st.sampled_from(sorted(links.MACVLAN_MODES)),
    st.none() | SIZES,
    st.none() | MACS,
)
def test_a_macvlan(
    ifname: str, parent: int, sandbox: int | None, mode: str, mtu: int | None, mac: str | None
) -> None:
    body = links.macvlan(
        ifname=ifname,
        parent=parent,
        sandbox=sandbox,
        mode=mode,
        mtu=mtu or 0,
        mac=mac or "",
        queue=0,
    )

    place = {} if sandbox is None else {"IFLA_NET_NS_FD": sandbox}
    assert oracle.read("link", body) == {
        **without_none(IFLA_MTU=mtu, IFLA_ADDRESS=mac),
        **place,
        "IFLA_IFNAME": ifname,
        "IFLA_LINK": parent,
        "IFLA_GROUP": links.OUR_GROUP,
        "IFLA_LINKINFO": {
            "IFLA_INFO_KIND": "macvlan",
            "IFLA_INFO_DATA": {"IFLA_MACVLAN_MODE": mode},
        },
    }


@given(NAMES, INDEXES, DESCRIPTORS, st.sampled_from(sorted(links.IPVLAN_MODES)))
def test_an_ipvlan(ifname: str, parent: int, sandbox: int, mode: str) -> None:
    body = links.ipvlan(ifname=ifname, parent=parent, sandbox=sandbox, mode=mode, mtu=0)

    assert oracle.read("link", body) == {
        "IFLA_IFNAME": ifname,
        "IFLA_LINK": parent,
        "IFLA_GROUP": links.OUR_GROUP,
        "IFLA_NET_NS_FD": sandbox,
        "IFLA_LINKINFO": {
            "IFLA_INFO_KIND": "ipvlan",
            "IFLA_INFO_DATA": {"IFLA_IPVLAN_MODE": ["l2", "l3", "l3s"].index(mode)},
        },
    }


@given(NAMES, st.none() | SIZES, st.none() | MACS, st.booleans())
def test_a_bridge(name: str, mtu: int | None, mac: str | None, is_filtering: bool) -> None:  # noqa: FBT001 - drawn
    body = links.bridge(name, mtu or 0, mac or "", vlan_filtering=is_filtering)

    inner = {"IFLA_INFO_DATA": {"IFLA_BR_VLAN_FILTERING": 1}} if is_filtering else {}
    assert oracle.read("link", body) == {
        **without_none(IFLA_MTU=mtu, IFLA_ADDRESS=mac),
        "flags": links.IFF_UP,
        "change": links.IFF_UP,
        "IFLA_IFNAME": name,
        "IFLA_LINKINFO": {"IFLA_INFO_KIND": "bridge", **inner},
    }


@given(INDEXES, VLANS, st.booleans())
def test_a_vlan_of_a_port(index: int, vid: int, is_native: bool) -> None:  # noqa: FBT001 - drawn
    body = links.port_vlan(index, vid, native=is_native)

    pvid_and_untagged = 0x2 | 0x4
    entry = {"flags": pvid_and_untagged if is_native else 0, "vid": vid}
    read = oracle.read("link", body)
    assert (read["family"], read["index"]) == (7, index)
    assert read["IFLA_AF_SPEC"]["IFLA_BRIDGE_VLAN_INFO"] == entry


@given(INDEXES, st.booleans(), st.booleans())
def test_the_flags_of_a_port(index: int, is_hairpin: bool, is_isolated: bool) -> None:  # noqa: FBT001 - drawn
    body = links.port_flags(index, hairpin=is_hairpin, isolated=is_isolated)

    read = oracle.read("link", body)
    assert (read["family"], read["index"]) == (7, index)
    assert read["IFLA_PROTINFO"] == {
        "IFLA_BRPORT_MODE": int(is_hairpin),
        "IFLA_BRPORT_ISOLATED": int(is_isolated),
    }


@given(INDEXES, ADDRESSES)
def test_an_address(index: int, prefix: str) -> None:
    body = routes.address(index, prefix)

    value = ipaddress.ip_interface(prefix)
    expected = {
        "family": socket.AF_INET if value.version == 4 else socket.AF_INET6,
        "index": index,
        "IFA_LOCAL": str(value.ip),
        "IFA_ADDRESS": str(value.ip),
        **without_none(prefixlen=value.network.prefixlen),
    }
    if value.version == 4 and value.network.prefixlen < 31:
        expected["IFA_BROADCAST"] = str(value.network.broadcast_address)
    read = oracle.read("address", body)
    for name in ("IFA_LOCAL", "IFA_ADDRESS"):  # ::ffff:1.2.3.4 has two spellings
        read[name] = str(ipaddress.ip_address(read[name]))
    assert read == expected


@given(INDEXES, ADDRESSES, st.integers(0, 1 << 20), st.integers(0, 1 << 20), st.data())
def test_a_route(index: int, dst: str, priority: int, table: int, data: st.DataObject) -> None:
    network = ipaddress.ip_interface(dst).network
    hosts = st.ip_addresses(v=network.version).filter(lambda host: not host.is_unspecified)
    gateway = data.draw(st.none() | hosts)
    source = data.draw(st.none() | hosts)
    scope = data.draw(st.sampled_from([0, 200, 253]))
    spec = RouteSpec(
        dst=dst,
        gw=str(gateway or ""),
        src=str(source or ""),
        priority=priority,
        table=table,
        scope=scope,
    )

    read = oracle.read("route", routes.route(index, spec))
    for name in {"RTA_DST", "RTA_GATEWAY", "RTA_PREFSRC"} & read.keys():
        read[name] = str(ipaddress.ip_address(read[name]))  # ::ffff:1.2.3.4 has two spellings

    main = 254
    assert read.pop("table", 0) == (0 if table > 255 else table or main)
    assert read == {
        "family": socket.AF_INET if network.version == 4 else socket.AF_INET6,
        "proto": 3,
        "type": 1,
        "RTA_OIF": index,
        "RTA_TABLE": table or main,
        **without_none(
            dst_len=network.prefixlen,
            scope=scope,
            RTA_DST=str(network.network_address) if network.prefixlen else None,
            RTA_GATEWAY=spec.gw,
            RTA_PREFSRC=spec.src,
            RTA_PRIORITY=priority,
        ),
    }
