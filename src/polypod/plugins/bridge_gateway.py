"""What a bridge must carry so that pods can use it as their gateway: addresses, default routes.

Which link carries it (the bridge, or one per VLAN) is decided by bridge.py.
"""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_interface

from msgspec.structs import replace

from polypod.cni.quote import quoted
from polypod.cni.result import IPConfig, IPInterface, Route
from polypod.errors import PluginError
from polypod.plan.facts import Address
from polypod.plan.ops import AddGateway, EnableForwarding, Op

_DEFAULTS: dict[int, IPInterface] = {
    4: IPv4Interface("0.0.0.0/0"),
    6: IPv6Interface("::/0"),
}


def with_gateways(ips: tuple[IPConfig, ...]) -> tuple[IPConfig, ...]:
    """Give each address without gateway the first one of its network."""
    return tuple(
        ip if ip.gateway is not None else replace(ip, gateway=_first(ip.address)) for ip in ips
    )


def _first(address: IPInterface) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv4Interface):
        return IPv4Address((int(address.network.network_address) + 1) & 0xFFFFFFFF)
    return IPv6Address((int(address.network.network_address) + 1) & ((1 << 128) - 1))


def default_routes(ips: tuple[IPConfig, ...], routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """Return one default route per family, except where the IPAM gave one, with or without gw."""
    given = {route.dst.version for route in routes if not route.dst.network.prefixlen}
    found: list[Route] = []
    for family in (4, 6):
        first = next((ip for ip in ips if ip.address.version == family), None)
        if first is not None and family not in given:
            found.append(Route(dst=_DEFAULTS[family], gw=first.gateway))
    return tuple(found)


@lru_cache(maxsize=256)
def _interface(text: str) -> IPInterface:
    """Read an address of a host link: the same few for every pod."""
    return ip_interface(text)


def gateway_ops(
    link: str,
    ips: tuple[IPConfig, ...],
    present: tuple[Address, ...],
    *,
    force: bool,
    mac: str = "",
) -> tuple[Op, ...]:
    """Return the ops that put the gateways on a host link and switch on forwarding.

    The link's MAC is pinned to `mac`, or, without one, to what it has by then.

    Raises:
        PluginError: another address is in the way and force is off.
    """
    held: list[IPInterface] = [_interface(one.address) for one in present]
    ops: list[Op] = []
    for family in (4, 6):
        wanted = [
            _interface(f"{ip.gateway}/{ip.address.network.prefixlen}")
            for ip in ips
            if ip.gateway is not None and ip.gateway.version == family
        ]
        for gateway in dict.fromkeys(wanted):
            if gateway in held:
                continue
            gone = [one for one in held if _clash(one, gateway)]
            if gone and not force:
                raise PluginError(
                    f"failed to set bridge addr: {quoted(link)} already has an IP address"
                    f" different from {gateway}"
                )
            held = [*(one for one in held if one not in gone), gateway]
            remove = tuple(str(one) for one in gone)
            ops.append(AddGateway(link=link, address=str(gateway), remove=remove, mac=mac))
        if wanted:
            ops.append(EnableForwarding(family=family))
    return tuple(ops)


def _clash(one: IPInterface, other: IPInterface) -> bool:
    """Tell whether two addresses exclude each other: IPv4 always, IPv6 when networks overlap."""
    if isinstance(one, IPv4Interface):
        return isinstance(other, IPv4Interface)
    return isinstance(other, IPv6Interface) and one.network.overlaps(other.network)
