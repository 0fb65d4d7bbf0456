"""host-local: one address of each range set, round robin, from a pool shared with the reference.

The pool (files, under the reference's lock) is somebody else's; here is which address it will be.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence

import msgspec

from polypod.cni import arguments, fields, ip_text, versions
from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.result import DNS, IPAddress, IPConfig, IPInterface, Result, Route
from polypod.errors import DecodeError, PluginError, PolypodError
from polypod.ipam import ranges
from polypod.ipam._shape import LeaseCall, Pool, Pools
from polypod.ipam.ranges import Range, RangeSet

KNOWN = frozenset({"IP"})


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the configuration asks for."""

    sets: tuple[RangeSet, ...]
    requested: tuple[IPAddress, ...]
    routes: tuple[Route, ...]
    directory: str
    resolv_conf: str


def settings(call: LeaseCall) -> Settings:
    """Return the settings, read once a call.

    Raises:
        PluginError: malformed, in the reference's words.
    """
    known = call.notes.get("host-local")
    if isinstance(known, Settings):
        return known
    call.notes["host-local"] = found = _read(call)
    return found


def _read(call: LeaseCall) -> Settings:
    ipam = fields.table(call.config, "ipam")
    if ipam is None:
        raise PluginError("IPAM config missing 'ipam' key")
    sets = tuple(
        ranges.parse_set(entries, place) for place, entries in enumerate(_sets(call.config, ipam))
    )
    if not sets:
        raise PluginError("no IP ranges specified")
    check_families([one[0].subnet.version for one in sets], call.cni_version)
    ranges.check_between(sets)
    return Settings(
        sets=sets,
        requested=_requested(call),
        routes=read_routes(ipam),
        directory=fields.text(ipam, "dataDir"),
        resolv_conf=fields.text(ipam, "resolvConf"),
    )


def check_families(families: Sequence[int], cni_version: str) -> None:
    """Refuse what a result of an old version cannot say.

    Raises:
        PluginError: two addresses of a family below 0.3.0.
    """
    if cni_version in {"0.1.0", "0.2.0"} and len(set(families)) < len(families):
        raise PluginError(
            f"CNI version {cni_version} does not support more than 1 address per family"
        )


def read_routes(ipam: Mapping[str, object]) -> tuple[Route, ...]:
    """Read the routes of an ipam section, in the newest version's form.

    Raises:
        PluginError: a route is malformed.
    """
    entries = fields.objects(ipam, "routes")
    if not entries:
        return ()
    try:
        return versions.parse({"routes": list(entries)}, "1.0.0").routes
    except DecodeError as error:
        raise PluginError(error.cause) from error


def _sets(
    config: Mapping[str, object], ipam: Mapping[str, object]
) -> list[Sequence[Mapping[str, object]]]:
    runtime = fields.table(config, "runtimeConfig") or {}
    found = [_entries(one) for one in fields.items(runtime, "ipRanges") or ()]
    if fields.get(ipam, "subnet") is not None:
        found.append((ipam,))
    return found + [_entries(one) for one in fields.items(ipam, "ranges") or ()]


def _entries(value: object) -> Sequence[Mapping[str, object]]:
    return fields.objects({"ranges": value}, "ranges") or ()


def _requested(call: LeaseCall) -> tuple[IPAddress, ...]:
    given = arguments.parse(call.arguments, KNOWN).get("IP", "")
    cni = fields.table(fields.table(call.config, "args") or {}, "cni") or {}
    runtime = fields.table(call.config, "runtimeConfig") or {}
    own = [_argument(given)] if given else []
    found = (_plain(text) for text in (*fields.texts(cni, "ips"), *fields.texts(runtime, "ips")))
    return tuple(dict.fromkeys((*own, *found)))


def _argument(text: str) -> IPAddress:
    try:
        return _plain(text)
    except PluginError as error:
        raise arguments.value_error("IP", text, error.cause) from error


def _plain(text: str) -> IPAddress:
    try:
        return ip_text.prefix(text).ip if "/" in text else ip_text.address(text)
    except ValueError as error:
        raise PluginError(f"invalid IP address {text[:100]}") from error


class HostLocal:
    """The host-local IPAM."""

    versions = ALL_VERSIONS

    def pool_directory(self, call: LeaseCall) -> str | None:
        """Validate, and return dataDir."""
        return settings(call).directory

    def add(self, call: LeaseCall, pools: Pools) -> Result:
        """Reserve one address of each set; on failure none stays reserved."""
        wanted = settings(call)
        dns = (
            read_resolv_conf(pools.resolv_conf(wanted.resolv_conf)) if wanted.resolv_conf else DNS()
        )
        left = list(wanted.requested)
        found: list[IPConfig] = []
        with pools.locked(wanted.directory, call.network) as pool:
            try:
                for place, one in enumerate(wanted.sets):
                    found.append(_of_set(one, place, left, call, pool))
                if left:
                    shown = " ".join(str(address) for address in left)
                    raise PluginError(f"failed to allocate all requested IPs: {shown}")
            except PolypodError:
                _take_back(found, call, pool)
                raise
        return Result(ips=tuple(found), routes=wanted.routes, dns=dns)

    def delete(self, call: LeaseCall, pools: Pools) -> None:
        """Release the attachment's addresses, whatever the ranges say now."""
        ipam = fields.table(call.config, "ipam") or {}
        with pools.locked(fields.text(ipam, "dataDir"), call.network) as pool:
            pool.release(call.container_id, call.ifname)

    def check(self, call: LeaseCall, pools: Pools) -> None:
        """Refuse when no address is the attachment's."""
        wanted = settings(call)
        with pools.locked(wanted.directory, call.network) as pool:
            if not pool.owned(call.container_id, call.ifname):
                raise PluginError(
                    f"host-local: Failed to find address added by container {call.container_id}"
                )


def _take_back(found: Sequence[IPConfig], call: LeaseCall, pool: Pool) -> None:
    """Free what this call reserved, unless the attachment held something before it."""
    if found:
        pool.release(call.container_id, call.ifname)


def _of_set(
    one: RangeSet, place: int, left: list[IPAddress], call: LeaseCall, pool: Pool
) -> IPConfig:
    try:
        address, where = _choose(one, place, left, call, pool)
    except PluginError as error:
        raise PluginError(f"failed to allocate for range {place}: {error.cause}") from error
    pool.keep_last_reserved(place, str(address))
    return IPConfig(
        address=_with_prefix(address, where),
        gateway=where.gateway,
    )


def _with_prefix(address: IPAddress, where: Range) -> IPInterface:
    length = where.subnet.prefixlen
    if isinstance(address, ipaddress.IPv4Address):
        return ipaddress.IPv4Interface((int(address), length))
    return ipaddress.IPv6Interface((int(address), length))


def _choose(
    one: RangeSet, place: int, left: list[IPAddress], call: LeaseCall, pool: Pool
) -> tuple[IPAddress, Range]:
    for address in left:
        where = next((part for part in one if address in part), None)
        if where is not None:
            left.remove(address)
            return _exactly(address, where, one, call, pool), where
    _refuse_second(one, call, pool)
    for address, where in ranges.walk(one, pool.last_reserved(place)):
        if pool.reserve(str(address), call.container_id, call.ifname):
            return address, where
    raise PluginError(f"no IP addresses available in range set: {ranges.shown(one)}")


def _exactly(
    address: IPAddress, where: Range, one: RangeSet, call: LeaseCall, pool: Pool
) -> IPAddress:
    if address == where.gateway:
        raise PluginError(f"requested ip {address} is subnet's gateway")
    if not pool.reserve(str(address), call.container_id, call.ifname):
        raise PluginError(
            f"requested IP address {address} is not available in range set {ranges.shown(one)}"
        )
    return address


def _refuse_second(one: RangeSet, call: LeaseCall, pool: Pool) -> None:
    for held in pool.owned(call.container_id, call.ifname):
        if any(ipaddress.ip_address(held) in part for part in one):
            raise PluginError(
                f"{held} has been allocated to {call.container_id},"
                " duplicate allocation is not allowed"
            )


def read_resolv_conf(text: str) -> DNS:
    """Read a resolv.conf as the reference does: the last domain wins, the others add up."""
    servers: list[str] = []
    search: list[str] = []
    options: list[str] = []
    domain = ""
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or line.lstrip()[0] in "#;":
            continue
        match words[0]:
            case "nameserver":
                servers.append(words[1])
            case "domain":
                domain = words[1]
            case "search":
                search.extend(words[1:])
            case "options":
                options.extend(words[1:])
            case _:
                continue
    return DNS(
        nameservers=tuple(servers), domain=domain, search=tuple(search), options=tuple(options)
    )
