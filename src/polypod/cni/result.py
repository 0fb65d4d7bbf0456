"""The answer to ADD as a value: interfaces, addresses, routes, name servers (CNI 1.1.0, section 5).

Fields are named, and left out, as in the JSON of 1.x; versions.py knows that of older ones.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface
from typing import TypeAlias

import msgspec

IPAddress: TypeAlias = IPv4Address | IPv6Address
IPInterface: TypeAlias = IPv4Interface | IPv6Interface


class Interface(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    rename={"socket_path": "socketPath", "pci_id": "pciID"},
):
    """One link that the attachment made or uses."""

    name: str
    mac: str = ""
    mtu: int = 0
    sandbox: str = ""
    """The path in CNI_NETNS for links inside the sandbox, empty for links of the host."""
    socket_path: str = ""
    pci_id: str = ""


class IPConfig(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One address with the prefix length of its network."""

    address: IPInterface
    gateway: IPAddress | None = None
    interface: int | None = None
    """Index into Result.interfaces."""


class Route(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One route; 0 and None are absent, as in the specification's JSON."""

    dst: IPInterface
    """Destination; host bits are kept as they were written."""
    gw: IPAddress | None = None
    mtu: int = 0
    advmss: int = 0
    priority: int = 0
    table: int | None = None
    scope: int | None = None


class DNS(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Name service settings."""

    nameservers: tuple[str, ...] = ()
    domain: str = ""
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def is_empty(self) -> bool:
        """Tell whether nothing is set."""
        return not (self.nameservers or self.domain or self.search or self.options)


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an ADD answers."""

    interfaces: tuple[Interface, ...] = ()
    ips: tuple[IPConfig, ...] = ()
    routes: tuple[Route, ...] = ()
    dns: DNS = DNS()
