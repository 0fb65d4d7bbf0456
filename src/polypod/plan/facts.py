"""What may be asked of a host before and after an act: queries, and the facts that answer them.

Plugins say which queries they need; kernel/read.py answers; nothing here knows netlink.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeAlias, cast

import msgspec


class Where(StrEnum):
    """The network namespace that is meant."""

    HOST = "host"
    """The namespace of the caller: the shim's own, or the daemon's."""
    SANDBOX = "sandbox"
    """The pod's namespace, CNI_NETNS."""

    __hash__ = str.__hash__
    """An enumeration's own is a function in Python, and every look-up of a link asks for it."""


HOST, SANDBOX = Where.HOST, Where.SANDBOX
"""As names of their own for the kernel room: a member costs a search at each use."""


class LinkQuery(msgspec.Struct, frozen=True):
    """The link of that name: a Link, or None."""

    where: Where
    name: str


class MasterQuery(msgspec.Struct, frozen=True):
    """The parent for a macvlan or ipvlan: a Link, or None.

    It is the link of that name, or, for an empty name, the device of the first default route
    (any family, main table).
    """

    where: Where
    name: str


class AddressesQuery(msgspec.Struct, frozen=True):
    """The addresses of the link of that name: a tuple of Address, empty without the link."""

    where: Where
    name: str


class RoutesQuery(msgspec.Struct, frozen=True):
    """The main table's routes of both families in a namespace: a tuple of RouteFact."""

    where: Where


class SysctlQuery(msgspec.Struct, frozen=True):
    """The trimmed value of a sysctl, key in path form (`net/ipv4/ip_forward`): str, or None."""

    where: Where
    key: str


class PortQuery(msgspec.Struct, frozen=True):
    """The bridge port of that name in the host: a Port, or None when it has no bridge."""

    name: str


Query: TypeAlias = LinkQuery | MasterQuery | AddressesQuery | RoutesQuery | SysctlQuery | PortQuery


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """A network device as the kernel describes it."""

    name: str
    index: int
    kind: str = ""
    """IFLA_INFO_KIND: veth, bridge, macvlan, ...; empty for hardware and loopback."""
    mac: str = ""
    mtu: int = 0
    up: bool = False
    """IFF_UP: the administrative state."""
    operstate: str = "unknown"
    """One of unknown, notpresent, down, lowerlayerdown, testing, dormant, up."""
    promisc: bool = False
    allmulti: bool = False
    tx_queue_len: int = 0
    master: int = 0
    """Index of the bridge or VRF this link belongs to; 0 for none."""
    parent: int = 0
    """IFLA_LINK: the parent's or the veth peer's index, 0 for none."""
    mode: str = ""
    """macvlan: bridge, private, vepa, passthru; ipvlan: l2, l3, l3s."""
    vlan_filtering: bool = False
    alias: str = ""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """An address on a link, `10.1.2.3/24`."""

    address: str
    tentative: bool = False
    dad_failed: bool = False
    scope: int = 0


class RouteFact(msgspec.Struct, frozen=True, kw_only=True):
    """A route of the main table; dst is canonical, `0.0.0.0/0` and `::/0` for defaults."""

    dst: str
    gw: str = ""
    device: str = ""
    src: str = ""
    priority: int = 0
    scope: int = 0


class Port(msgspec.Struct, frozen=True, kw_only=True):
    """A bridge port's settings."""

    hairpin: bool = False
    isolated: bool = False
    pvid: int = 0
    vlans: tuple[int, ...] = ()


Fact: TypeAlias = "Link | tuple[Address, ...] | tuple[RouteFact, ...] | str | Port | None"


class Facts(msgspec.Struct, frozen=True):
    """Answers by query. Asking for what was not queried is a defect (KeyError)."""

    answers: Mapping[Query, Fact] = {}

    def link(self, where: Where, name: str) -> Link | None:
        """Return the link of that name."""
        return cast("Link | None", self.answers[LinkQuery(where, name)])

    def master(self, where: Where, name: str) -> Link | None:
        """Return the parent link."""
        return cast("Link | None", self.answers[MasterQuery(where, name)])

    def addresses(self, where: Where, name: str) -> tuple[Address, ...]:
        """Return the addresses of a link."""
        return cast("tuple[Address, ...]", self.answers[AddressesQuery(where, name)])

    def routes(self, where: Where) -> tuple[RouteFact, ...]:
        """Return the main table."""
        return cast("tuple[RouteFact, ...]", self.answers[RoutesQuery(where)])

    def sysctl(self, where: Where, key: str) -> str | None:
        """Return a sysctl's value."""
        return cast("str | None", self.answers[SysctlQuery(where, key)])

    def port(self, name: str) -> Port | None:
        """Return a bridge port."""
        return cast("Port | None", self.answers[PortQuery(name)])
