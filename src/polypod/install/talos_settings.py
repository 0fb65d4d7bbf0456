"""What a Talos node's links should be: read from a small YAML file, checked before it is rendered.

The same words for every release of Talos; talos_forms.py says them in a release's own.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec
import yaml

from polypod.errors import DecodeError, InvalidConfigError

Mode: TypeAlias = Literal[
    "balance-rr",
    "active-backup",
    "balance-xor",
    "broadcast",
    "802.3ad",
    "balance-tlb",
    "balance-alb",
]
HashPolicy: TypeAlias = Literal["layer2", "layer3+4", "layer2+3", "encap2+3", "encap3+4"]
Words: TypeAlias = dict[str, str]
MAX_BYTES = 1 << 20
_name = re.compile(r"[^\s/:]{1,15}")


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A route by a gateway; without `to` the default route."""

    via: str
    to: str = ""
    metric: int | None = None


class Link(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every link may have; alone, a network card."""

    addresses: tuple[str, ...] = ()
    dhcp: bool = False
    mtu: int | None = None
    routes: tuple[Route, ...] = ()

    @property
    def has_address(self) -> bool:
        """Tell whether the node itself speaks on this link."""
        return self.dhcp or bool(self.addresses)


class Bond(Link, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    """Several cards as one."""

    links: tuple[str, ...]
    mode: Mode = "active-backup"
    miimon: int = 100
    lacp_rate: Literal["slow", "fast"] | None = None
    xmit_hash_policy: HashPolicy | None = None


class Vlan(Link, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One VLAN of a link."""

    parent: str
    id: int


class Bridge(Link, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A switch in the node, with these links as its ports."""

    links: tuple[str, ...] = ()
    filtering: bool = False
    stp: bool = False


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that is asked of a node, by name."""

    links: dict[str, Link] = msgspec.field(default_factory=dict[str, Link])
    bonds: dict[str, Bond] = msgspec.field(default_factory=dict[str, Bond])
    vlans: dict[str, Vlan] = msgspec.field(default_factory=dict[str, Vlan])
    bridges: dict[str, Bridge] = msgspec.field(default_factory=dict[str, Bridge])
    modules: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict[str, tuple[str, ...]])
    """Kernel modules with their parameters."""
    sysctls: Words = msgspec.field(default_factory=Words)


def parse(text: bytes) -> Settings:
    """Return the settings of a YAML text.

    Raises:
        DecodeError: it is not YAML.
        InvalidConfigError: a key or a value is not known.
    """
    try:
        found = yaml.safe_load(text[:MAX_BYTES])
    except yaml.YAMLError as error:
        raise DecodeError("the links are not YAML", hint=str(error).replace("\n", " ")) from error
    return read({} if found is None else found)


def read(found: object) -> Settings:
    """Return the settings of a table.

    Raises:
        InvalidConfigError: a key or a value is not known.
    """
    try:
        return msgspec.convert(found, type=Settings)
    except msgspec.ValidationError as error:
        raise InvalidConfigError(
            f"the links cannot be used: {error}",
            hint="known are links, bonds, vlans, bridges, modules and sysctls, each by name",
        ) from error


def check(settings: Settings) -> None:
    """Refuse what no release of Talos could make.

    Raises:
        InvalidConfigError: a name, an address or a link's place is impossible.
    """
    for name, link in every(settings):
        _check_name(name)
        _check_addresses(name, link)
    for name, vlan in settings.vlans.items():
        if not 1 <= vlan.id <= 4094:
            raise InvalidConfigError(
                f"{name}: {vlan.id} is no VLAN", hint="1 to 4094 can be written on a wire"
            )
    _check_ports(settings)


def every(settings: Settings) -> Iterator[tuple[str, Link]]:
    """Yield every link with its name; a name that is there twice comes twice."""
    for part in (settings.links, settings.bonds, settings.vlans, settings.bridges):
        yield from part.items()


def ports(settings: Settings) -> dict[str, str]:
    """Return which link is whose port.

    Raises:
        InvalidConfigError: a link is a port of two.
    """
    found: dict[str, str] = {}
    masters: Mapping[str, Bond | Bridge] = {**settings.bonds, **settings.bridges}
    for name, master in masters.items():
        for port in master.links:
            if port in found:
                raise InvalidConfigError(
                    f"{port} is a port of {found[port]} and of {name}",
                    hint="a link has one master; put a VLAN of it into the second bridge",
                )
            found[port] = name
    return found


def _check_ports(settings: Settings) -> None:
    names = [name for name, _ in every(settings)]
    for name in names:
        if names.count(name) > 1:
            raise InvalidConfigError(f"{name} is described twice", hint="one link, one entry")
    links = dict(every(settings))
    for port, master in ports(settings).items():
        _check_name(port)
        if port in links and links[port].has_address:
            raise InvalidConfigError(
                f"{port} has an address and is a port of {master}",
                hint=f"a port has no address of its own: give it to {master}",
            )


def _check_name(name: str) -> None:
    if not _name.fullmatch(name) or name in {".", ".."}:
        raise InvalidConfigError(
            f"{name[:40]!r} is no name of a link",
            hint="at most 15 characters, no blanks, slashes or colons;"
            " enx0123456789ab.100 is one too long: give the card a LinkAliasConfig",
        )


def _check_addresses(name: str, link: Link) -> None:
    try:
        for address in link.addresses:
            ipaddress.ip_interface(address)
            if "/" not in address:
                raise ValueError(f"{address!r} has no prefix length")
        for route in link.routes:
            ipaddress.ip_address(route.via)
            if route.to:
                ipaddress.ip_network(route.to)
    except ValueError as error:
        raise InvalidConfigError(
            f"{name}: {error}", hint="write addresses as 10.0.50.11/24, gateways as 10.0.50.1"
        ) from error
