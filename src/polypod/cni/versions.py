"""Results in the JSON of every CNI version, read and written.

0.1.0 and 0.2.0 know one address per family; 0.3.0 to 0.4.0 and 1.x differ in key order and in the
fields of a link. What goes into a result is decided by the plugins.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Address, IPv6Interface, ip_interface
from typing import cast

import msgspec

from polypod.cni import encode, fields, ip_text
from polypod.cni.labels import ALL_VERSIONS, FLAT_VERSIONS, MIDDLE_VERSIONS
from polypod.cni.quote import quoted
from polypod.cni.result import DNS, Interface, IPAddress, IPConfig, IPInterface, Result, Route
from polypod.errors import DecodeError, PluginError

__all__ = ["ALL_VERSIONS", "parse", "read_dns", "render", "to_json"]

Table = Mapping[str, object]
_PREFIXES = (IPv4Interface, IPv6Interface)


def parse(source: Table | bytes, version: str) -> Result:
    """Read a result written in this version; an empty version takes the result's own label.

    Raises:
        DecodeError: not a result of that version.
        PluginError: a version that is not spoken.
    """
    table = fields.decode_object(source, "result") if isinstance(source, bytes) else source
    version = version or fields.text(table, "cniVersion") or ALL_VERSIONS[0]
    _known(version)
    if version in FLAT_VERSIONS:
        return _read_flat(table)
    return Result(
        interfaces=tuple(_read_link(link) for link in fields.objects(table, "interfaces") or ()),
        ips=tuple(_read_ip(ip) for ip in fields.objects(table, "ips") or ()),
        routes=tuple(_read_route(route) for route in fields.objects(table, "routes") or ()),
        dns=read_dns(fields.table(table, "dns")),
    )


def to_json(result: Result, version: str, *, body_version: str | None = None) -> dict[str, object]:
    """Return the result as this version's object; the body may follow another version.

    Raises:
        PluginError: a version that is not spoken, or no address where the version needs one.
    """
    body = body_version or version
    _known(version)
    _known(body)
    head: dict[str, object] = {"cniVersion": version}
    if body in FLAT_VERSIONS:
        return head | _write_flat(result)
    if body in MIDDLE_VERSIONS:
        return head | _write_middle(result)
    return head | _write_new(result)


def render(result: Result, version: str, *, body_version: str | None = None) -> bytes:
    """Return the result as it is printed: four spaces of indent, no newline at the end.

    Raises:
        PluginError: as to_json.
    """
    return encode.pretty(to_json(result, version, body_version=body_version))


def _known(version: str) -> None:
    if version not in ALL_VERSIONS:
        raise PluginError(f"unsupported CNI result version {quoted(version)}")


# Reading.


def _prefix(table: Table, key: str) -> IPInterface:
    text = fields.text(table, key)
    try:
        return ip_text.prefix(text)
    except ValueError as error:
        raise DecodeError(f"{key}: invalid CIDR address: {text}") from error


def _address(table: Table, key: str) -> IPAddress | None:
    text = fields.text(table, key)
    if not text:
        return None
    try:
        return ip_text.address(text)
    except ValueError as error:
        raise DecodeError(f"{key}: invalid IP address: {text}") from error


def _read_link(table: Table) -> Interface:
    return Interface(
        name=fields.text(table, "name"),
        mac=fields.text(table, "mac"),
        mtu=fields.number(table, "mtu") or 0,
        sandbox=fields.text(table, "sandbox"),
        socket_path=fields.text(table, "socketPath"),
        pci_id=fields.text(table, "pciID"),
    )


def _read_ip(table: Table) -> IPConfig:
    return IPConfig(
        address=_prefix(table, "address"),
        gateway=_address(table, "gateway"),
        interface=fields.number(table, "interface"),
    )


def _read_route(table: Table) -> Route:
    gateway = _address(table, "gw")
    return Route(
        dst=_destination(table, gateway),
        gw=gateway,
        mtu=fields.number(table, "mtu") or 0,
        advmss=fields.number(table, "advmss") or 0,
        priority=fields.number(table, "priority") or 0,
        table=fields.number(table, "table"),
        scope=fields.number(table, "scope"),
    )


def _destination(table: Table, gateway: IPAddress | None) -> IPInterface:
    """Read dst; a route that has a gateway and names no destination goes everywhere."""
    if gateway is not None and fields.get(table, "dst") is None:
        return ip_interface("0.0.0.0/0" if gateway.version == 4 else "::/0")
    return _prefix(table, "dst")


def read_dns(table: Table | None) -> DNS:
    """Read a dns object of a result or of a configuration; None is empty.

    Raises:
        DecodeError: a field of the wrong type.
    """
    if table is None:
        return DNS()
    return DNS(
        nameservers=fields.texts(table, "nameservers"),
        domain=fields.text(table, "domain"),
        search=fields.texts(table, "search"),
        options=fields.texts(table, "options"),
    )


def _read_flat(table: Table) -> Result:
    ips: list[IPConfig] = []
    routes: list[Route] = []
    for key in ("ip4", "ip6"):
        part = fields.table(table, key)
        if part is None:
            continue
        ips.append(IPConfig(address=_prefix(part, "ip"), gateway=_address(part, "gateway")))
        routes.extend(
            Route(dst=_prefix(route, "dst"), gw=_address(route, "gw"))
            for route in fields.objects(part, "routes") or ()
        )
    dns = read_dns(fields.table(table, "dns"))
    return Result(ips=tuple(ips), routes=tuple(routes), dns=dns)


# Writing.


def _shown(address: IPAddress) -> str:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address)


def _some(pairs: dict[str, object]) -> dict[str, object]:
    """Leave out what is absent: None, empty text, empty lists, and zero of plain numbers."""
    return {key: value for key, value in pairs.items() if value not in (None, "", 0, [])}


def _write_dns(dns: DNS) -> dict[str, object]:
    return _some(
        {
            "nameservers": list(dns.nameservers),
            "domain": dns.domain,
            "search": list(dns.search),
            "options": list(dns.options),
        }
    )


def _write_route(route: Route) -> dict[str, object]:
    written = _some(
        {
            "dst": str(route.dst),
            "gw": None if route.gw is None else _shown(route.gw),
            "mtu": route.mtu,
            "advmss": route.advmss,
            "priority": route.priority,
        }
    )
    if route.table is not None:
        written["table"] = route.table
    if route.scope is not None:
        written["scope"] = route.scope
    return written


def _write_ip(ip: IPConfig) -> dict[str, object]:
    written: dict[str, object] = {"version": str(ip.address.version)}
    if ip.interface is not None:
        written["interface"] = ip.interface
    written["address"] = str(ip.address)
    if ip.gateway is not None:
        written["gateway"] = _shown(ip.gateway)
    return written


def _write_middle(result: Result) -> dict[str, object]:
    links = [
        {"name": link.name} | _some({"mac": link.mac, "sandbox": link.sandbox})
        for link in result.interfaces
    ]
    written = _some(
        {
            "interfaces": links,
            "ips": [_write_ip(ip) for ip in result.ips],
            "routes": [_write_route(route) for route in result.routes],
        }
    )
    written["dns"] = _write_dns(result.dns)
    return written


def _write_new(result: Result) -> dict[str, object]:
    """Return the body of 1.x: the fields that are set, in alphabetical order."""
    written = _with_lists(msgspec.to_builtins(result, enc_hook=_text, order="sorted"))
    dns = cast("Mapping[str, object]", written.pop("dns", {}))
    return {"dns": _with_lists(dns), **written} if dns else written


def _with_lists(table: Mapping[str, object]) -> dict[str, object]:
    return {
        key: list(cast("tuple[object, ...]", found)) if isinstance(found, tuple) else found
        for key, found in table.items()
    }


def _text(address: IPAddress | IPInterface) -> str:
    return str(address) if isinstance(address, _PREFIXES) else _shown(address)


def _write_flat(result: Result) -> dict[str, object]:
    written: dict[str, object] = {}
    for ip in result.ips:
        key = f"ip{ip.address.version}"
        if key in written:
            continue
        part: dict[str, object] = {"ip": str(ip.address)}
        if ip.gateway is not None:
            part["gateway"] = _shown(ip.gateway)
        routes = [
            _flat_route(route) for route in result.routes if route.dst.version == ip.address.version
        ]
        if routes:
            part["routes"] = routes
        written[key] = part
    if not written:
        raise PluginError("cannot convert: no valid IP addresses")
    ordered: dict[str, object] = {key: written[key] for key in ("ip4", "ip6") if key in written}
    ordered["dns"] = _write_dns(result.dns)
    return ordered


def _flat_route(route: Route) -> dict[str, object]:
    written: dict[str, object] = {"dst": str(route.dst)}
    if route.gw is not None:
        written["gw"] = _shown(route.gw)
    return written
