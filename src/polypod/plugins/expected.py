"""The comparisons of CHECK that all link plugins share: prevResult against addresses and routes.

What a link itself must look like is decided by each plugin.
"""

from __future__ import annotations

from ipaddress import ip_interface

from polypod.cni.result import Interface, IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan.facts import AddressesQuery, Facts, Query, RouteFact, RoutesQuery, Where
from polypod.plugins._shape import Call

_MAIN = (None, 0, 254)


def reads(ifname: str) -> tuple[Query, ...]:
    """Name the facts that `layer3` wants."""
    return (AddressesQuery(Where.SANDBOX, ifname), RoutesQuery(Where.SANDBOX))


def previous(call: Call, text: str) -> Result:
    """Return prevResult.

    Raises:
        PluginError: missing; the words are the caller's.
    """
    if call.prev_result is None:
        raise PluginError(text)
    return call.prev_result


def inside(call: Call, result: Result, word: str) -> Interface:
    """Return the result's entry for the sandbox link; `word` is how the plugin spells sandbox.

    Raises:
        PluginError: no entry of that name in this sandbox.
    """
    named = [link for link in result.interfaces if link.name == call.ifname]
    for link in named:
        if link.sandbox == call.netns:
            return link
    shown = named[0].sandbox if named else ""
    raise PluginError(f"{word} in prevResult {shown} doesn't match configured netns: {call.netns}")


def layer3(call: Call, result: Result, facts: Facts) -> None:
    """Compare addresses and routes.

    Raises:
        PluginError: the first that is missing.
    """
    present = {
        str(ip_interface(one.address)) for one in facts.addresses(Where.SANDBOX, call.ifname)
    }
    table = facts.routes(Where.SANDBOX)
    for ip in result.ips:
        _address(ip, call.ifname, present, table)
    for route in result.routes:
        _route(route, table)


def _address(ip: IPConfig, ifname: str, present: set[str], table: tuple[RouteFact, ...]) -> None:
    if str(ip.address) not in present:
        raise PluginError(f"Failed to match addr {ip.address} on interface {ifname}")
    network = ip.address.network
    if network.prefixlen == network.max_prefixlen:
        return
    if not any(route.dst == str(network) for route in table):
        gateway = "<nil>" if ip.gateway is None else ip.gateway
        raise PluginError(f"Failed to find Gateway {gateway} for interface {ifname}")


def _route(route: Route, table: tuple[RouteFact, ...]) -> None:
    """Look for one route; other tables than main are not read, so they are not judged."""
    if route.table not in _MAIN:
        return
    found = [fact for fact in table if fact.dst == str(route.dst.network)]
    if route.gw is not None and not route.gw.is_unspecified and route.dst.network.prefixlen:
        found = [fact for fact in found if fact.gw == str(route.gw)]
    if not found:
        raise PluginError(f"Expected Route {_shown(route)} not found in routing table")


def _shown(route: Route) -> str:
    def or_nil(value: object) -> str:
        return "<nil>" if value is None else str(value)

    mask = route.dst.network.netmask.packed.hex()
    return (
        f"{{Dst:{{IP:{route.dst.ip} Mask:{mask}}} GW:{or_nil(route.gw)} MTU:{route.mtu}"
        f" AdvMSS:{route.advmss} Priority:{route.priority}"
        f" Table:{or_nil(route.table)} Scope:{or_nil(route.scope)}}}"
    )
