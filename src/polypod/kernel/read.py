"""Answers queries: what the plugins want to know of links, addresses, routes and sysctls."""

from __future__ import annotations

from collections.abc import Sequence

from polypod.errors import KernelError
from polypod.kernel import links, routes, sysctl
from polypod.kernel.netlink import u32
from polypod.kernel.spaces import Spaces
from polypod.plan.facts import (
    Address,
    AddressesQuery,
    Fact,
    Facts,
    Link,
    LinkQuery,
    MasterQuery,
    Port,
    PortQuery,
    Query,
    RouteFact,
    RoutesQuery,
    SysctlQuery,
    Where,
)


def look(queries: Sequence[Query], spaces: Spaces) -> Facts:
    """Return the facts; without a sandbox its facts are None and ()."""
    return Facts({query: _answer(query, spaces) for query in queries})


def _answer(query: Query, spaces: Spaces) -> Fact:
    match query:
        case LinkQuery():
            return spaces.link(query.where, query.name)
        case MasterQuery():
            return master(query, spaces)
        case AddressesQuery():
            return addresses(query.where, query.name, spaces)
        case RoutesQuery():
            return main_routes(query.where, spaces)
        case SysctlQuery():
            return _sysctl(query, spaces)
        case PortQuery():
            return _port(query.name, spaces)


def master(query: MasterQuery, spaces: Spaces) -> Link | None:
    """Return the parent link: by name, or the first default route's device."""
    name = query.name
    if not name:
        found = (r for r in main_routes(query.where, spaces) if r.dst in {"0.0.0.0/0", "::/0"})
        name = next((route.device for route in found if route.device), "")
    return spaces.link(query.where, name)


def addresses(where: Where, name: str, spaces: Spaces) -> tuple[Address, ...]:
    """Return the addresses of a link, none without the link."""
    link = spaces.link(where, name)
    return () if link is None else of_index(where, link.index, spaces)


def of_index(where: Where, index: int, spaces: Spaces) -> tuple[Address, ...]:
    """Return the addresses of a link by its index."""
    heard = spaces.socket(where).dump(routes.RTM_GETADDR, routes.addresses_question(index))
    found = (routes.parse_address(message.body) for message in heard)
    return tuple(address for owner, address in found if owner == index)


def main_routes(where: Where, spaces: Spaces) -> tuple[RouteFact, ...]:
    """Return the main table of both families."""
    if where is Where.SANDBOX and not spaces.has_sandbox:
        return ()
    socket = spaces.socket(where)
    heard = socket.dump(links.RTM_GETLINK, links.header() + u32(links.IFLA_EXT_MASK, 8))
    names = {link.index: link.name for link in (links.parse(m.body) for m in heard)}
    found: list[RouteFact] = []
    for family in (routes.AF_INET, routes.AF_INET6):
        try:
            heard = socket.dump(routes.RTM_GETROUTE, routes.routes_question(family))
        except KernelError:
            continue
        parsed = (routes.parse_route(message.body, names) for message in heard)
        found.extend(route for route in parsed if route is not None)
    return tuple(found)


def _sysctl(query: SysctlQuery, spaces: Spaces) -> str | None:
    if query.where is Where.SANDBOX and not spaces.has_sandbox:
        return None
    with spaces.inside(query.where):
        return sysctl.read(query.key)


def _port(name: str, spaces: Spaces) -> Port | None:
    link = spaces.link(Where.HOST, name)
    if link is None or not link.master:
        return None
    heard = spaces.socket(Where.HOST).dump(links.RTM_GETLINK, links.ports_question())
    for message in heard:
        if links.parse(message.body).index == link.index:
            return links.parse_port(message.body)
    return None
