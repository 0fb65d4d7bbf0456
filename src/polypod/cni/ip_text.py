"""Addresses as text, by the rules of the reference's parser.

No zones, no netmasks behind the slash, no leading zeros; an IPv4 address that is written as IPv6 is
an IPv4 address. Everything else about an address is decided where it is used.
"""

from __future__ import annotations

from ipaddress import IPv4Interface, IPv6Address, ip_address, ip_interface

from polypod.cni.result import IPAddress, IPInterface

_MAPPED_BITS = 96


def address(text: str) -> IPAddress:
    """Return an address.

    Raises:
        ValueError: the text is none.
    """
    if "%" in text:
        raise ValueError(text)
    found = ip_address(text)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found


def prefix(text: str) -> IPInterface:
    """Return an address with the length of its network; host bits are kept.

    Raises:
        ValueError: the text is none, or has no length.
    """
    plain, sign, length = text.partition("/")
    digits = length.isascii() and length.isdigit() and len(length) <= 3
    if not sign or not digits or "%" in plain:
        raise ValueError(text)
    found = ip_interface(f"{plain}/{int(length)}")
    mapped = found.ip.ipv4_mapped if isinstance(found.ip, IPv6Address) else None
    if mapped is None:
        return found
    return IPv4Interface(f"{mapped}/{int(length) - _MAPPED_BITS}")
