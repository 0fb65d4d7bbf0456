"""From a lease to the one op that gives a sandbox link its addresses and routes.

Which lease it is, and which sysctls go with it, is decided by each plugin.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from polypod.cni import fields, versions
from polypod.cni.result import DNS, IPAddress, IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan.ops import Configure, RouteSpec, SysctlSpec

WITHOUT_LEASE = frozenset({"loopback", "passthru", "tuning"})
"""Types that never ask for addresses, whatever stands in their configuration."""


def ipam_type(config: Mapping[str, object]) -> str:
    """Return the IPAM plugin's name, empty for a link without addresses."""
    return fields.text(fields.table(config, "ipam") or {}, "type")


def leasing_type(type_: str, config: Mapping[str, object]) -> str:
    """Return the IPAM plugin that a plugin of this type asks, empty for none."""
    return "" if type_ in WITHOUT_LEASE else ipam_type(config)


def leased_ips(lease: Result, interface: int) -> tuple[IPConfig, ...]:
    """Return the lease's addresses as those of one interface of the result.

    Raises:
        PluginError: the IPAM plugin gave none.
    """
    if not lease.ips:
        raise PluginError("IPAM plugin returned missing IP config")
    return tuple(replace(ip, interface=interface) for ip in lease.ips)


def first_gateways(ips: tuple[IPConfig, ...]) -> dict[int, IPAddress]:
    """Return the first gateway of each family."""
    found: dict[int, IPAddress] = {}
    for ip in ips:
        if ip.gateway is not None:
            found.setdefault(ip.gateway.version, ip.gateway)
    return found


def configure(
    ifname: str,
    ips: tuple[IPConfig, ...],
    routes: tuple[Route, ...],
    sysctls: tuple[SysctlSpec, ...] = (),
) -> Configure:
    """Return the op; a route without gateway takes its family's first one."""
    gateways = first_gateways(ips)
    return Configure(
        ifname=ifname,
        addresses=tuple(str(ip.address) for ip in ips),
        routes=tuple(_spec(route, gateways) for route in routes),
        sysctls=sysctls,
        settle=6 in gateways,
    )


def _spec(route: Route, gateways: Mapping[int, IPAddress]) -> RouteSpec:
    gateway = route.gw if route.gw is not None else gateways.get(route.dst.version)
    return RouteSpec(
        dst=str(route.dst.network),
        gw="" if gateway is None or gateway.is_unspecified else str(gateway),
        priority=_within(route, "priority", route.priority, fields.UNSIGNED_MAX),
        table=_within(route, "table", route.table or 0, fields.UNSIGNED_MAX),
        scope=_within(route, "scope", route.scope or 0, 255),
    )


def _within(route: Route, what: str, value: int, most: int) -> int:
    if not 0 <= value <= most:
        raise PluginError(f"route {route.dst}: {what} {value} is out of range")
    return value


def best_effort(ifname: str, *keys: tuple[str, str, str]) -> tuple[SysctlSpec, ...]:
    """Return sysctls of a link from (family, name, value); a refusal is no error."""
    return tuple(
        SysctlSpec(key=f"net/{family}/conf/{ifname}/{name}", value=value)
        for family, name, value in keys
    )


def announcing(ifname: str) -> tuple[SysctlSpec, ...]:
    """Return the sysctls that make a link announce its addresses when it goes up."""
    return best_effort(ifname, ("ipv4", "arp_notify", "1"), ("ipv6", "ndisc_notify", "1"))


def configured_dns(config: Mapping[str, object]) -> DNS:
    """Return the configuration's own name service settings."""
    return versions.read_dns(fields.table(config, "dns"))


def own_dns(config: Mapping[str, object]) -> DNS | None:
    """Return the same, None without any; an empty list counts as one, an empty domain does not."""
    found, table = configured_dns(config), fields.table(config, "dns") or {}
    lists = ("nameservers", "search", "options")
    is_set = found.domain or any(fields.get(table, key) is not None for key in lists)
    return found if is_set else None
