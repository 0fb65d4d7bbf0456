"""Answers queries: what the plugins want to know of links, addresses, routes and sysctls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from polypod.errors import KernelError
from polypod.kernel import links, routes, sysctl
from polypod.kernel.netlink import Message
from polypod.kernel.spaces import Spaces
from polypod.plan.facts import (
    HOST,
    SANDBOX,
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

_FAMILIES = (routes.AF_INET, routes.AF_INET6)
_NO_SUCH_TABLE = (2, 95, 97)
"""ENOENT, EOPNOTSUPP, EAFNOSUPPORT: nothing was ever in that table, or there is no IPv6."""


def look(queries: Sequence[Query], spaces: Spaces) -> Facts:
    """Return the facts, all links in one send; without a sandbox its facts are None and ()."""
    wanted: dict[Where, dict[str, None]] = {HOST: {}, SANDBOX: {}}
    for query in queries:
        match query:
            case LinkQuery() | MasterQuery() | AddressesQuery():
                wanted[query.where][query.name] = None
            case PortQuery():
                wanted[HOST][query.name] = None
            case RoutesQuery() | SysctlQuery():
                pass
    found = {where: _links(where, names, spaces) for where, names in wanted.items()}
    return Facts({query: _answer(query, found, spaces) for query in queries})


def _links(where: Where, wanted: Iterable[str], spaces: Spaces) -> dict[str, Link | None]:
    """Ask for links of a namespace, all at once."""
    names = [name for name in wanted if spaces.can_have(where, name)]
    if not names:
        return {}
    found: dict[str, Link | None] = {}
    questions = [Message(links.RTM_GETLINK, 0, links.by_name(name)) for name in names]
    for name, answer in zip(names, spaces.socket(where).many(questions), strict=True):
        if isinstance(answer, KernelError) or not answer:
            spaces.forget(where, name)
        else:
            found[name] = spaces.heard(where, answer[0].body)
    return found


def _answer(query: Query, found: Mapping[Where, Mapping[str, Link | None]], spaces: Spaces) -> Fact:
    match query:
        case LinkQuery():
            return found[query.where].get(query.name)
        case MasterQuery():
            return found[query.where].get(query.name) or _default(query, spaces)
        case AddressesQuery():
            link = found[query.where].get(query.name)
            return () if link is None else of_index(query.where, link.index, spaces)
        case RoutesQuery():
            return main_routes(query.where, spaces)
        case SysctlQuery():
            return _sysctl(query, spaces)
        case PortQuery():
            return _port(found[HOST].get(query.name), spaces)


def _default(query: MasterQuery, spaces: Spaces) -> Link | None:
    """Return the first default route's device, if no other link was asked for."""
    if query.name:
        return None
    found = (r for r in main_routes(query.where, spaces) if r.dst in {"0.0.0.0/0", "::/0"})
    name = next((route.device for route in found if route.device), "")
    return spaces.link(query.where, name)


def of_index(where: Where, index: int, spaces: Spaces) -> tuple[Address, ...]:
    """Return the addresses of a link by its index."""
    heard = spaces.socket(where).dump(routes.RTM_GETADDR, routes.addresses_question(index))
    found = (routes.parse_address(message.body) for message in heard)
    return tuple(address for owner, address in found if owner == index)


def main_routes(where: Where, spaces: Spaces) -> tuple[RouteFact, ...]:
    """Return the main table of both families."""
    if where is SANDBOX and not spaces.has_sandbox:
        return ()
    bodies = [body for family in _FAMILIES for body in _routes(where, family, spaces)]
    names = _names(where, {routes.device_of(body) for body in bodies}, spaces)
    parsed = (routes.parse_route(body, names) for body in bodies)
    return tuple(route for route in parsed if route is not None)


def _routes(where: Where, family: int, spaces: Spaces) -> list[bytes]:
    try:
        heard = spaces.socket(where).dump(routes.RTM_GETROUTE, routes.routes_question(family))
    except KernelError as error:
        if error.errno in _NO_SUCH_TABLE:
            return []
        raise
    return [message.body for message in heard]


def _names(where: Where, indexes: Iterable[int], spaces: Spaces) -> dict[int, str]:
    """Return the names of links; one that went in the meantime has none."""
    questions = [Message(links.RTM_GETLINK, 0, links.by_index(n)) for n in indexes if n]
    answers = spaces.socket(where).many(questions)
    bodies = [answer[0].body for answer in answers if isinstance(answer, list) and answer]
    return {links.index_of(body): links.name_of(body) for body in bodies}


def _sysctl(query: SysctlQuery, spaces: Spaces) -> str | None:
    if query.where is SANDBOX and not spaces.has_sandbox:
        return None
    with spaces.inside(query.where):
        return sysctl.read(query.key)


def _port(link: Link | None, spaces: Spaces) -> Port | None:
    if link is None or not link.master:
        return None
    heard = spaces.socket(HOST).dump(links.RTM_GETLINK, links.ports_question())
    for message in heard:
        if links.index_of(message.body) == link.index:
            return links.parse_port(message.body)
    return None
