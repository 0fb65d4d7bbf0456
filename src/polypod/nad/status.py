"""network-status: what other programs read of a pod's networks.

Entries follow the reference's rules for results with one and with many interfaces; a default
route without a gateway is left out, and only a mask of zero is a default route.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from polypod.cni import encode
from polypod.cni.result import DNS, IPConfig, Result


class Entry(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"device_info": "device-info"},
):
    """One network, or one interface of it; fields in the order in which they are shown."""

    name: str
    interface: str = ""
    ips: tuple[str, ...] = ()
    mac: str = ""
    mtu: int = 0
    default: bool = False
    dns: DNS
    device_info: Mapping[str, object] | None = None
    gateway: tuple[str, ...] = ()


def entries(
    result: Result,
    *,
    name: str,
    is_default: bool,
    device_info: Mapping[str, object] | None = None,
) -> tuple[Entry, ...]:
    """Return the entries of one network's result, in its order."""
    gateways = tuple(
        str(route.gw)
        for route in result.routes
        if route.gw is not None and route.dst.network.prefixlen == 0
    )
    blank = Entry(name=name, dns=result.dns, device_info=device_info or None, gateway=gateways)
    if len(result.interfaces) == 1:
        return (_single(result, blank, is_default=is_default),)
    inside = [at for at, link in enumerate(result.interfaces) if link.sandbox]
    default_at = _default_place(result, inside) if is_default else None
    return tuple(
        replace(
            blank,
            interface=result.interfaces[at].name,
            ips=_ips(result.ips, at, is_last=at == inside[-1]),
            mac=result.interfaces[at].mac,
            mtu=result.interfaces[at].mtu,
            default=at == default_at,
        )
        for at in inside
    )


def _single(result: Result, blank: Entry, *, is_default: bool) -> Entry:
    link = result.interfaces[0]
    return replace(
        blank,
        interface=link.name if link.sandbox else "",
        ips=tuple(str(ip.address.ip) for ip in result.ips),
        mac=link.mac if link.sandbox else "",
        mtu=link.mtu if link.sandbox else 0,
        default=is_default,
    )


def _ips(ips: Sequence[IPConfig], at: int, *, is_last: bool) -> tuple[str, ...]:
    return tuple(
        str(ip.address.ip) for ip in ips if ip.interface == at or (is_last and ip.interface is None)
    )


def _default_place(result: Result, inside: Sequence[int]) -> int | None:
    for ip in result.ips:
        if ip.gateway is not None and ip.interface is not None:
            return ip.interface
    return inside[0] if inside else None


def render(found: Sequence[Entry]) -> str:
    """Return the annotation's text: objects indented by four spaces, joined by a comma."""
    return "[" + ",".join(encode.pretty(msgspec.to_builtins(one)).decode() for one in found) + "]"
