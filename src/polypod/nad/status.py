"""network-status: what other programs read of a pod's networks.

Entries follow the reference's rules for results with one and with many interfaces; a default
route without a gateway is left out, and only a mask of zero is a default route.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from polypod.cni import encode
from polypod.cni.result import DNS, IPConfig, Result


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One network, or one interface of it."""

    name: str
    interface: str = ""
    ips: tuple[str, ...] = ()
    mac: str = ""
    mtu: int = 0
    default: bool = False
    dns: DNS = msgspec.field(default_factory=DNS)
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
    if len(result.interfaces) == 1:
        blank = Entry(name=name, default=is_default, device_info=device_info, gateway=gateways)
        return (_single(result, blank),)
    inside = [at for at, link in enumerate(result.interfaces) if link.sandbox]
    default_at = _default_place(result, inside) if is_default else None
    return tuple(
        Entry(
            name=name,
            interface=result.interfaces[at].name,
            ips=_ips(result.ips, at, is_last=at == inside[-1]),
            mac=result.interfaces[at].mac,
            mtu=result.interfaces[at].mtu,
            default=at == default_at,
            dns=result.dns,
            device_info=device_info,
            gateway=gateways,
        )
        for at in inside
    )


def _single(result: Result, blank: Entry) -> Entry:
    link = result.interfaces[0]
    return msgspec.structs.replace(
        blank,
        interface=link.name if link.sandbox else "",
        ips=tuple(str(ip.address.ip) for ip in result.ips),
        mac=link.mac if link.sandbox else "",
        mtu=link.mtu if link.sandbox else 0,
        dns=result.dns,
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
    return "[" + ",".join(_entry(entry) for entry in found) + "]"


def _entry(entry: Entry) -> str:
    shown: dict[str, object] = {"name": entry.name}
    optional = (
        ("interface", entry.interface),
        ("ips", list(entry.ips)),
        ("mac", entry.mac),
        ("mtu", entry.mtu),
        ("default", entry.default),
    )
    shown |= {key: value for key, value in optional if value}
    shown["dns"] = _dns(entry.dns)
    if entry.device_info:
        shown["device-info"] = entry.device_info
    if entry.gateway:
        shown["gateway"] = list(entry.gateway)
    return encode.pretty(shown).decode()


def _dns(dns: DNS) -> dict[str, object]:
    told = (
        ("nameservers", list(dns.nameservers)),
        ("domain", dns.domain),
        ("search", list(dns.search)),
        ("options", list(dns.options)),
    )
    return {key: value for key, value in told if value}
