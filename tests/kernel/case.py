"""What a case of an op is, and the worlds that cases share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from polypod.plan import ops
from polypod.plan.facts import Where
from polypod.plan.ops import KernelOp

HOST, SANDBOX = Where.HOST, Where.SANDBOX
MAC, OTHER_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
OUR_GROUP = str(0x706C7970)

BRIDGE = "link add br0 address 02:00:00:00:bb:00 type bridge"
VLAN_BRIDGE = f"{BRIDGE} vlan_filtering 1"
PARENT = (
    "link add up0 type veth peer name up1",
    "link set up1 up",
    "link set up0 up",
)
ETH0 = (
    "link add eth0 type veth peer name far0",
    "link set far0 up",
    "link set eth0 up",
    "addr add 10.1.0.2/24 dev eth0",
    "route add default via 10.1.0.1",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """An op in its world."""

    op: KernelOp
    shows: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What the state must hold afterwards, see world.shows."""
    host: Sequence[str] = ()
    """Lines of `ip` for the host, before."""
    sandbox: Sequence[str] = ()
    before: Sequence[KernelOp] = ()
    """Ops of the same attachment, or of another one, that came first."""
    twice: str = ""
    """How a second apply is refused; empty when it is done again without harm."""
    undone: bool = False
    """Undo gives the state before; otherwise it changes nothing."""
    silent: bool = False
    """The op changes nothing that can be seen."""
    needs: str = ""

    @property
    def world(self) -> dict[Where, Sequence[str]]:
        """Return the lines by namespace."""
        return {HOST: self.host, SANDBOX: self.sandbox}


VETH = ops.AddVeth(ifname="net1", host_name="veth1", master="br0", mtu=1400, mac=MAC)


def link_shows(where: Where, name: str, **expected: Any) -> dict[str, Any]:
    """Say that a link must be seen like this."""
    return {where.value: {"links": {name: expected}}}
