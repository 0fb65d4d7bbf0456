"""Messages about addresses and routes: how they are made and read back."""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Mapping

from polypod.kernel.netlink import attr, attributes, malformed, u32, unpacked
from polypod.plan.facts import Address, RouteFact
from polypod.plan.ops import RouteSpec

RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR = 20, 21, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
IFA_ADDRESS, IFA_LOCAL, IFA_BROADCAST, IFA_FLAGS = 1, 2, 4, 8
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC = 1, 4, 5, 6, 7
RTA_MULTIPATH, RTA_TABLE = 9, 15
AF_INET, AF_INET6 = 2, 10
RT_TABLE_MAIN, RT_SCOPE_LINK = 254, 253
_PROTOCOL_BOOT, _UNICAST = 3, 1
_TENTATIVE, _DAD_FAILED = 0x40, 0x08
_P2P_PREFIX = 31
_ifaddr = struct.Struct("=BBBBI")
_rtmsg = struct.Struct("=BBBBBBBBI")
_nexthop = struct.Struct("=HBBi")


def split(prefix: str) -> tuple[int, bytes, int]:
    """Return family, packed address and length of `a.b.c.d/n`; without ipaddress, which is slow.

    Raises:
        OSError: no address.
        ValueError: no length.
    """
    text, _, length = prefix.partition("/")
    family = AF_INET6 if ":" in text else AF_INET
    return family, socket.inet_pton(family, text), int(length or (128 if ":" in text else 32))


def _host_part(packed: bytes, length: int) -> int:
    """Return the mask of the bits that are not the network's."""
    return (1 << (len(packed) * 8 - length)) - 1


def address(index: int, prefix: str) -> bytes:
    """Return the body that adds or deletes an address, with its derived broadcast."""
    family, packed, length = split(prefix)
    body = _ifaddr.pack(family, length, 0, 0, index)
    body += attr(IFA_LOCAL, packed) + attr(IFA_ADDRESS, packed)
    if family == AF_INET and length < _P2P_PREFIX:
        broadcast = int.from_bytes(packed, "big") | _host_part(packed, length)
        body += attr(IFA_BROADCAST, broadcast.to_bytes(4, "big"))
    return body


def addresses_question(index: int) -> bytes:
    """Return the body of a dump of one link's addresses."""
    return _ifaddr.pack(0, 0, 0, 0, index)


def parse_address(body: bytes) -> tuple[int, Address]:
    """Read (link index, address) from a message's body."""
    _, length, flags, scope, index = unpacked(_ifaddr, body)
    found = attributes(body[8:])
    raw = found.get(IFA_LOCAL) or found.get(IFA_ADDRESS)
    flags = _number(found.get(IFA_FLAGS)) if IFA_FLAGS in found else flags
    return index, Address(
        address=f"{_text(raw)}/{length}",
        tentative=bool(flags & _TENTATIVE),
        dad_failed=bool(flags & _DAD_FAILED),
        scope=scope,
    )


def route(index: int, spec: RouteSpec) -> bytes:
    """Return the body that adds a route through a link."""
    family, packed, length = split(spec.dst)
    gateway = split(spec.gw)[1] if spec.gw else b""
    table = spec.table or RT_TABLE_MAIN
    low = table if table < 256 else 0
    body = _rtmsg.pack(family, length, 0, 0, low, _PROTOCOL_BOOT, spec.scope, _UNICAST, 0)
    if length:
        network = int.from_bytes(packed, "big") & ~_host_part(packed, length)
        body += attr(RTA_DST, network.to_bytes(len(packed), "big"))
    if any(gateway):
        body += attr(RTA_GATEWAY, gateway)
    if spec.src:
        body += attr(RTA_PREFSRC, split(spec.src)[1])
    if spec.priority:
        body += u32(RTA_PRIORITY, spec.priority)
    return body + u32(RTA_OIF, index) + u32(RTA_TABLE, table)


def routes_question(family: int) -> bytes:
    """Return the body of a dump of the main table."""
    return _rtmsg.pack(family, 0, 0, 0, RT_TABLE_MAIN, 0, 0, 0, 0)


def device_of(body: bytes) -> int:
    """Return the index of a route's link, 0 for none."""
    return _number(_hop(attributes(body[12:])).get(RTA_OIF))


def _hop(found: dict[int, bytes]) -> dict[int, bytes]:
    """Return a route's link and gateway: its own, or those of the first of several ways."""
    several = found.get(RTA_MULTIPATH)
    if several is None:
        return found
    length, _, _, index = unpacked(_nexthop, several)
    return {**attributes(several[8:length]), RTA_OIF: struct.pack("=i", index)}


def parse_route(body: bytes, names: Mapping[int, str]) -> RouteFact | None:
    """Read a unicast route of the main table; None for any other."""
    family, length, _, _, table, _, scope, kind, _ = unpacked(_rtmsg, body)
    found = attributes(body[12:])
    table = _number(found.get(RTA_TABLE)) if RTA_TABLE in found else table
    if table != RT_TABLE_MAIN or kind != _UNICAST:
        return None
    empty = bytes(4 if family == AF_INET else 16)
    hop = _hop(found)
    return RouteFact(
        dst=f"{_text(found.get(RTA_DST, empty))}/{length}",
        gw=_text(hop.get(RTA_GATEWAY)),
        device=names.get(_number(hop.get(RTA_OIF)), ""),
        src=_text(found.get(RTA_PREFSRC)),
        priority=_number(found.get(RTA_PRIORITY)),
        scope=scope,
    )


def _text(raw: bytes | None) -> str:
    if not raw:
        return ""
    if len(raw) not in {4, 16}:
        raise malformed(f"an address of {len(raw)} bytes")
    return str(ipaddress.ip_address(raw))


def _number(raw: bytes | None) -> int:
    return int.from_bytes(raw, "little") if raw else 0


def described(spec: RouteSpec, ifname: str) -> str:
    """Return a route as the reference's error texts print it."""
    dst = ipaddress.ip_interface(spec.dst)
    mask = dst.network.netmask.packed.hex()
    scope = {0: "universe", 200: "site", 253: "link", 254: "host", 255: "nowhere"}
    return (
        f"{{{dst.network.network_address} {mask}}} via {spec.gw or '<nil>'} dev {ifname}"
        f" metric {spec.priority} (Scope: {scope.get(spec.scope, spec.scope)},"
        f" Table: {spec.table})"
    )


def described_address(prefix: str) -> str:
    """Return an address as the reference's error texts print it."""
    value = ipaddress.ip_interface(prefix)
    return f"{{{value.ip} {value.network.netmask.packed.hex()}}}"
