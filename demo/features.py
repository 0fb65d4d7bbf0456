"""What this kernel has, found by trying each thing in a namespace made for that."""

from __future__ import annotations

import socket
from collections.abc import Callable

from demo import spaces
from demo.spaces import Space
from polypod.errors import PolypodError
from polypod.plan.facts import LinkQuery, Where
from polypod.plan.ops import AddBridge, AddIpvlan, AddMacvlan, AddVeth, KernelOp


def lacking() -> dict[str, str]:
    """Return what this kernel does not have, with its answer."""
    space = spaces.make("probe")
    try:
        with space.open() as namespaces:
            namespaces.apply(AddVeth(ifname="wire", host_name="wire-end"))
        tries: dict[str, Callable[[], str]] = {
            "bridge": lambda: _try(space, AddBridge(name="probe")),
            "bridge VLAN filtering": lambda: _vlan_filtering(space),
            "macvlan": lambda: _try(space, AddMacvlan(ifname="mv", parent="wire")),
            "ipvlan": lambda: _try(space, AddIpvlan(ifname="iv", parent="wire-end")),
            "IPv6": _ipv6,
        }
        return {feature: answer for feature, attempt in tries.items() if (answer := attempt())}
    finally:
        spaces.remove(space)


def _try(space: Space, op: KernelOp) -> str:
    try:
        with space.open() as namespaces:
            namespaces.apply(op)
    except PolypodError as error:
        return error.cause.rpartition(": ")[2]
    return ""


def _vlan_filtering(space: Space) -> str:
    refused = _try(space, AddBridge(name="probe-vlan", vlan_filtering=True))
    if refused:
        return refused
    with space.open() as namespaces:
        facts = namespaces.look((LinkQuery(Where.HOST, "probe-vlan"),))
    made = facts.link(Where.HOST, "probe-vlan")
    return "" if made is not None and made.vlan_filtering else "the bridge ignores the setting"


def _ipv6() -> str:
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError as error:
        return str(error.strerror)
    return ""
