"""Address ranges as host-local's configuration writes them: parsed, checked, walked.

Error texts are the reference's; they name the range as users wrote it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TypeAlias

import msgspec

from polypod.cni import fields, ip_text
from polypod.cni.result import IPAddress
from polypod.errors import PluginError

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_V4 = 4


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """One subnet and the part of it that is handed out, both ends included."""

    subnet: Network
    start: IPAddress
    end: IPAddress
    gateway: IPAddress

    def __contains__(self, address: IPAddress) -> bool:
        """Tell whether an address lies between start and end."""
        return address.version == self.start.version and int(self.start) <= int(address) <= int(
            self.end
        )

    def __str__(self) -> str:
        """Return the range as error texts show it."""
        return f"{self.start}-{self.end}"


class UnreadableError(PluginError):
    """A text is no address or subnet at all; the reference says so before it looks at ranges."""


RangeSet: TypeAlias = tuple[Range, ...]


def parse_set(entries: Sequence[Mapping[str, object]], index: int) -> RangeSet:
    """Read one set of ranges.

    Raises:
        PluginError: a range is malformed, or the set mixes families or overlaps itself.
    """
    try:
        found = tuple(parse(entry) for entry in entries)
        _check_set(found)
    except UnreadableError:
        raise
    except PluginError as error:
        raise PluginError(f"invalid range set {index}: {error.cause}") from error
    return found


def shown(found: RangeSet) -> str:
    """Return a set as error texts show it."""
    return ",".join(str(one) for one in found)


def parse(entry: Mapping[str, object]) -> Range:
    """Read one range.

    Raises:
        PluginError: malformed.
    """
    keys = ("subnet", "gateway", "rangeStart", "rangeEnd")
    return _range(*(fields.text(entry, key) for key in keys))


@lru_cache(maxsize=256)
def _range(in_subnet: str, by_gateway: str, from_start: str, to_end: str) -> Range:
    """Read one range's texts, remembered: a network's are those of every pod that it gets."""
    subnet = _subnet(in_subnet)
    first, last = subnet.network_address + 1, subnet.broadcast_address
    gateway = _address(by_gateway) or first
    start = _address(from_start) or first
    end = _address(to_end) or (last - 1 if subnet.version == _V4 else last)
    if start not in subnet or int(start) > int(end):
        raise PluginError(f"RangeStart {start} not in network {subnet}")
    if end not in subnet:
        raise PluginError(f"RangeEnd {end} not in network {subnet}")
    return Range(subnet=subnet, start=start, end=end, gateway=gateway)


def _subnet(text: str) -> Network:
    try:
        value = ip_text.prefix(text)
    except ValueError as error:
        raise UnreadableError(f"invalid CIDR address: {text[:100]}") from error
    network = value.network
    if ":" in text and network.version == _V4:
        raise PluginError("IPNet IP and Mask version mismatch")
    if network.max_prefixlen - network.prefixlen < 2:
        raise PluginError(f"Network {network} too small to allocate from")
    if value.ip != network.network_address:
        raise PluginError(
            "Network has host bits set. For a subnet mask of length"
            f" {network.prefixlen} the network address is {network.network_address}"
        )
    return network


def _address(text: str) -> IPAddress | None:
    if not text:
        return None
    try:
        return ip_text.address(text)
    except ValueError as error:
        raise UnreadableError(f"invalid IP address: {text[:100]}") from error


def _check_set(found: RangeSet) -> None:
    if not found:
        raise PluginError("empty range set")
    if len({one.subnet.version for one in found}) > 1:
        raise PluginError("mixed address families")
    for place, one in enumerate(found):
        for other in found[:place]:
            if overlap(one, other):
                raise PluginError(f"subnets {other} and {one} overlap")


def overlap(one: Range, other: Range) -> bool:
    """Tell whether two ranges hand out a common address."""
    return one.start in other or other.start in one


def check_between(sets: Sequence[RangeSet]) -> None:
    """Refuse sets that hand out a common address.

    Raises:
        PluginError: two do.
    """
    for place, one in enumerate(sets):
        for before, other in enumerate(sets[:place]):
            if any(overlap(a, b) for a in one for b in other):
                raise PluginError(f"range set {before} overlaps with {place}")


def walk(found: RangeSet, last: str) -> Iterator[tuple[IPAddress, Range]]:
    """Yield every address once, beginning after `last`, and `last` itself at the end.

    Gateways are passed over.
    """
    spot = _place(found, last)
    first = 0 if spot is None else spot[0]
    for step in range(len(found) + 1):
        one = found[(first + step) % len(found)]
        low, high = int(one.start), int(one.end)
        if spot is not None and step == 0:
            low = spot[1] + 1
        if step == len(found):
            if spot is None:
                return
            high = spot[1]
        for number in range(low, high + 1):
            address = _of(number, one)
            if address != one.gateway:
                yield address, one


def _of(number: int, one: Range) -> IPAddress:
    if one.subnet.version == _V4:
        return ipaddress.IPv4Address(number)
    return ipaddress.IPv6Address(number)


def _place(found: RangeSet, last: str) -> tuple[int, int] | None:
    try:
        address = ipaddress.ip_address(last)
    except ValueError:
        return None
    for place, one in enumerate(found):
        if address in one:
            return place, int(address)
    return None
