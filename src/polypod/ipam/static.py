"""static: the addresses that the configuration, or the pod, names. Nothing is reserved."""

from __future__ import annotations

from collections.abc import Sequence

from polypod.cni import arguments, fields, ip_text, versions
from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.result import IPAddress, IPConfig, IPInterface, Result
from polypod.errors import PluginError
from polypod.ipam import host_local
from polypod.ipam._shape import LeaseCall, Pools

KNOWN = frozenset({"IP", "GATEWAY"})


class Static:
    """The static IPAM."""

    versions = ALL_VERSIONS

    def pool_directory(self, call: LeaseCall) -> str | None:
        """Validate; there is no pool."""
        _addresses(call)
        return None

    def add(self, call: LeaseCall, pools: Pools) -> Result:
        """Return the addresses with the routes and name servers of the configuration."""
        del pools
        found = _addresses(call)
        host_local.check_families([ip.address.version for ip in found], call.cni_version)
        ipam = fields.table(call.config, "ipam") or {}
        return Result(
            ips=tuple(found),
            routes=host_local.read_routes(ipam),
            dns=versions.read_dns(fields.table(ipam, "dns")),
        )

    def delete(self, call: LeaseCall, pools: Pools) -> None:
        """Do nothing."""
        del call, pools

    def check(self, call: LeaseCall, pools: Pools) -> None:
        """Refuse when an address was given with another gateway."""
        del pools
        found = _addresses(call)
        if call.prev_result is None:
            raise PluginError("Required prevResult missing")
        given = {ip.address.ip: ip.gateway for ip in call.prev_result.ips}
        for ip in found:
            wanted = ip.gateway
            if wanted is not None and ip.address.ip in given and given[ip.address.ip] != wanted:
                raise PluginError(
                    f"static: Failed to match addr {ip.address.ip} on interface {call.ifname}"
                )


def _addresses(call: LeaseCall) -> list[IPConfig]:
    """Return the addresses in force: runtimeConfig over args.cni over the rest."""
    ipam = fields.table(call.config, "ipam")
    if ipam is None:
        raise PluginError("IPAM config missing 'ipam' key")
    own = [
        IPConfig(
            address=_prefix(
                fields.text(entry, "address"),
                "the 'address' field is expected to be in CIDR notation, got: '{}'",
            ),
            gateway=_gateway(fields.text(entry, "gateway"), "invalid IP address: {}"),
        )
        for entry in fields.objects(ipam, "addresses") or ()
    ]
    cni = fields.table(fields.table(call.config, "args") or {}, "cni") or {}
    runtime = fields.table(call.config, "runtimeConfig") or {}
    found = own + _from_arguments(call)
    for texts in (fields.texts(cni, "ips"), fields.texts(runtime, "ips")):
        found = _replaced(texts) or found
    return found


def _replaced(texts: Sequence[str]) -> list[IPConfig]:
    words = "an entry in the 'ips' field is NOT in CIDR notation, got: '{}'"
    return [IPConfig(address=_prefix(text, words)) for text in texts]


def _from_arguments(call: LeaseCall) -> list[IPConfig]:
    given = arguments.parse(call.arguments, KNOWN)
    words = "the 'ip' field is expected to be in CIDR notation, got: '{}'"
    found = [_prefix(text.strip(), words) for text in given.get("IP", "").split(",") if text]
    gateways = [
        _gateway(text.strip(), "invalid gateway address: {}")
        for text in given.get("GATEWAY", "").split(",")
        if text
    ]
    return [
        IPConfig(
            address=prefix,
            gateway=next((g for g in gateways if g is not None and g in prefix.network), None),
        )
        for prefix in found
    ]


def _prefix(text: str, words: str) -> IPInterface:
    try:
        return ip_text.prefix(text)
    except ValueError as error:
        raise PluginError(words.format(text[:100])) from error


def _gateway(text: str, words: str) -> IPAddress | None:
    if not text:
        return None
    try:
        return ip_text.address(text)
    except ValueError as error:
        raise PluginError(words.format(text[:100])) from error
