"""Messages about links: how each kind is made, changed and read back."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from polypod.errors import PluginError
from polypod.kernel import netlink
from polypod.kernel.layouts import Layouts
from polypod.kernel.netlink import attr, attributes, nest, text, u8, u16, u32
from polypod.plan.facts import Link, Port
from polypod.plan.ops import Identity

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK, RTM_SETLINK = 16, 17, 18, 19
IFLA_ADDRESS, IFLA_IFNAME, IFLA_MTU, IFLA_LINK, IFLA_MASTER = 1, 3, 4, 5, 10
IFLA_PROTINFO, IFLA_TXQLEN, IFLA_OPERSTATE, IFLA_LINKINFO, IFLA_IFALIAS = 12, 13, 16, 18, 20
IFLA_AF_SPEC, IFLA_GROUP, IFLA_NET_NS_FD, IFLA_EXT_MASK, IFLA_PROMISCUITY = 26, 27, 28, 29, 30
IFLA_NUM_TX_QUEUES, IFLA_NUM_RX_QUEUES = 31, 32
IFF_UP, IFF_PROMISC, IFF_ALLMULTI = 0x1, 0x100, 0x200
AF_INET, AF_BRIDGE = 2, 7
_INET_CONF = 1
_KIND, _DATA, _PEER = 1, 2, 1
_SKIP_STATS, _BRIDGE_VLANS = 8, 2
OUR_GROUP = 0x706C7970
"""Links that we make in a sandbox carry it, so that they go as one (speed.md) and are known."""

_MODE, _VLAN_FILTERING = 1, 7
_LINK = Layouts(
    numbers=(
        (IFLA_MTU,),
        (IFLA_OPERSTATE,),
        (IFLA_PROMISCUITY,),
        (IFLA_TXQLEN,),
        (IFLA_MASTER,),
        (IFLA_LINKINFO, _DATA, _MODE),
        (IFLA_LINKINFO, _DATA, _VLAN_FILTERING),
        (IFLA_LINK,),
        (IFLA_GROUP,),
    ),
    payloads=((IFLA_IFNAME,), (IFLA_ADDRESS,), (IFLA_LINKINFO, _KIND), (IFLA_IFALIAS,)),
)
MACVLAN_MODES = {"private": 1, "vepa": 2, "bridge": 4, "passthru": 8}
IPVLAN_MODES = {"l2": 0, "l3": 1, "l3s": 2}
_MODES = {
    "macvlan": {number: word for word, number in MACVLAN_MODES.items()},
    "ipvlan": {number: word for word, number in IPVLAN_MODES.items()},
}
_OPERSTATES = ("unknown", "notpresent", "down", "lowerlayerdown", "testing", "dormant", "up")
_ifinfo = struct.Struct("=BxHiII")


def header(index: int = 0, flags: int = 0, change: int = 0, family: int = 0) -> bytes:
    """Return an ifinfomsg."""
    return _ifinfo.pack(family, 0, index, flags, change)


_UNNAMED, _BORN_UP = header(), header(flags=IFF_UP, change=IFF_UP)
_WITHOUT_STATS = u32(IFLA_EXT_MASK, _SKIP_STATS)
_ONE_QUEUE = u32(IFLA_NUM_TX_QUEUES, 1) + u32(IFLA_NUM_RX_QUEUES, 1)
_OURS = u32(IFLA_GROUP, OUR_GROUP)


def by_name(name: str) -> bytes:
    """Return the body of a question for one link."""
    return _UNNAMED + text(IFLA_IFNAME, name) + _WITHOUT_STATS


def by_index(index: int) -> bytes:
    """Return the body of a question for one link."""
    return header(index) + _WITHOUT_STATS


def mac_bytes(mac: str) -> bytes:
    """Return the bytes of a MAC.

    Raises:
        PluginError: not a hardware address.
    """
    raw = mac.replace("-", ":").split(":") if "." not in mac else []
    if "." in mac:
        raw = [part[at : at + 2] for part in mac.split(".") for at in (0, 2)]
    try:
        found = bytes(int(part, 16) for part in raw if len(part) == 2)
    except ValueError:
        found = b""
    if len(found) not in {6, 8, 20} or len(found) != len(raw):
        raise PluginError(f"address {mac[:64]}: invalid MAC address")
    return found


def veth(*, host_name: str, ifname: str, sandbox: int, master: int, mtu: int, mac: str) -> bytes:
    """Return the body that makes a pair: one end here, enslaved and up, the other in a sandbox."""
    shape = (u32(IFLA_MTU, mtu) if mtu else b"") + _ONE_QUEUE
    peer = (
        _UNNAMED
        + text(IFLA_IFNAME, ifname)
        + (attr(IFLA_ADDRESS, mac_bytes(mac)) if mac else b"")
        + shape
        + _OURS
        + u32(IFLA_NET_NS_FD, sandbox)
    )
    return (
        _BORN_UP
        + text(IFLA_IFNAME, host_name)
        + shape
        + (u32(IFLA_MASTER, master) if master else b"")
        + _info("veth", attr(_PEER | netlink.NESTED, peer))
    )


def macvlan(
    *, ifname: str, parent: int, sandbox: int | None, mode: str, mtu: int, mac: str, queue: int
) -> bytes:
    """Return the body that makes a macvlan; sandbox None makes it where the socket is."""
    inner = u32(1, MACVLAN_MODES[mode]) + (u32(7, queue) if queue else b"")
    return _child(ifname, parent, sandbox, mtu, mac) + _info("macvlan", inner)


def ipvlan(*, ifname: str, parent: int, sandbox: int | None, mode: str, mtu: int) -> bytes:
    """Return the body that makes an ipvlan; sandbox None makes it where the socket is."""
    return _child(ifname, parent, sandbox, mtu, "") + _info("ipvlan", u16(1, IPVLAN_MODES[mode]))


def bridge(name: str, mtu: int, mac: str, *, vlan_filtering: bool) -> bytes:
    """Return the body that makes a bridge; with a MAC it never takes one of its ports'."""
    inner = u8(7, 1) if vlan_filtering else b""
    return (
        _BORN_UP
        + text(IFLA_IFNAME, name)
        + (u32(IFLA_MTU, mtu) if mtu else b"")
        + (attr(IFLA_ADDRESS, mac_bytes(mac)) if mac else b"")
        + _info("bridge", inner)
    )


def _child(ifname: str, parent: int, sandbox: int | None, mtu: int, mac: str) -> bytes:
    return (
        _UNNAMED
        + text(IFLA_IFNAME, ifname)
        + u32(IFLA_LINK, parent)
        + (u32(IFLA_MTU, mtu) if mtu else b"")
        + (attr(IFLA_ADDRESS, mac_bytes(mac)) if mac else b"")
        + _OURS
        + (u32(IFLA_NET_NS_FD, sandbox) if sandbox is not None else b"")
    )


def _info(kind: str, inner: bytes) -> bytes:
    described = attr(_KIND, kind.encode())
    return nest(IFLA_LINKINFO, described + (nest(_DATA, inner) if inner else b""))


def ipv4_settings(index: int, settings: Mapping[int, int]) -> bytes:
    """Return the body that sets sysctls of a link below net/ipv4/conf, by their numbers."""
    inner = b"".join(u32(number, value) for number, value in settings.items())
    return header(index) + nest(IFLA_AF_SPEC, nest(AF_INET, nest(_INET_CONF, inner)))


def port_flags(index: int, *, hairpin: bool, isolated: bool) -> bytes:
    """Return the body that sets a bridge port's flags."""
    return header(index, family=AF_BRIDGE) + nest(
        IFLA_PROTINFO, u8(4, int(hairpin)), u8(33, int(isolated))
    )


def port_vlan(index: int, vid: int, *, native: bool) -> bytes:
    """Return the body that adds or removes one VLAN of a bridge port."""
    flags = 6 if native else 0
    return header(index, family=AF_BRIDGE) + nest(
        IFLA_AF_SPEC, u16(0, 1), attr(2, struct.pack("=HH", flags, vid))
    )


def ports_question() -> bytes:
    """Return the body of a dump of bridge ports with their VLANs."""
    return header(family=AF_BRIDGE) + u32(IFLA_EXT_MASK, _BRIDGE_VLANS)


def parse(body: bytes) -> Link:
    """Read a link from a message's body."""
    _, _, index, flags, _ = netlink.unpacked(_ifinfo, body)
    numbers, (name, mac, described, alias) = _LINK.read(body[16:])
    mtu, state, promiscuity, tx_queue_len, master, mode, filtering, parent, _ = numbers
    kind = _string(described)
    return Link(
        name=_string(name),
        index=index,
        kind=kind,
        mac=mac.hex(":"),
        mtu=mtu,
        up=bool(flags & IFF_UP),
        operstate=_OPERSTATES[state] if state < len(_OPERSTATES) else "unknown",
        promisc=promiscuity > 0 or bool(flags & IFF_PROMISC),
        allmulti=bool(flags & IFF_ALLMULTI),
        tx_queue_len=tx_queue_len,
        master=master,
        parent=parent,
        mode=_MODES.get(kind, {}).get(mode, ""),
        vlan_filtering=kind == "bridge" and bool(filtering),
        alias=_string(alias),
    )


def group_of(body: bytes) -> int:
    """Return a link's group."""
    numbers, _ = _LINK.read(body[16:])
    return numbers[-1]


def name_of(body: bytes) -> str:
    """Return a link's name."""
    return _string(netlink.first(body[16:], IFLA_IFNAME))


def index_of(body: bytes) -> int:
    """Return a link's index."""
    return netlink.unpacked(_ifinfo, body)[2]


def peer_of(body: bytes) -> int:
    """Return the index of a pair's other end, or of a parent."""
    numbers, _ = _LINK.read(body[16:])
    return numbers[-2]


def identity_of(body: bytes) -> Identity:
    """Return what tells this link from a later one of its name."""
    link = parse(body)
    return Identity(index=link.index, mac=link.mac)


def parse_port(body: bytes) -> Port:
    """Read a bridge port from a message's body."""
    found = attributes(body[16:])
    flags = attributes(found.get(IFLA_PROTINFO, b""))
    pvid = 0
    vlans: list[int] = []
    for kind, payload in netlink.each_attribute(found.get(IFLA_AF_SPEC, b"")):
        if kind == 2 and len(payload) >= 4:
            mark, vid = struct.unpack_from("=HH", payload)
            vlans.append(vid)
            pvid = vid if mark & 2 else pvid
    return Port(
        hairpin=bool(netlink.number(flags.get(4, b""))),
        isolated=bool(netlink.number(flags.get(33, b""))),
        pvid=pvid,
        vlans=tuple(vlans),
    )


def _string(raw: bytes) -> str:
    return raw.rstrip(b"\0").decode("utf-8", "replace") if raw else ""


def host_pair(name: str, peer: str, mtu: int) -> bytes:
    """Return the body that makes a pair whose ends both stay in the host."""
    size = u32(IFLA_MTU, mtu) if mtu else b""
    other = header() + text(IFLA_IFNAME, peer) + size
    return (
        header()
        + text(IFLA_IFNAME, name)
        + size
        + _info("veth", attr(_PEER | netlink.NESTED, other))
    )
