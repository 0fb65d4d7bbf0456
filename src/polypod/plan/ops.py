"""What may be done to a host: every op as a value that can be journaled, printed and undone.

Ops are coarse on purpose: one op is what one send to the kernel can carry (folding, measured).
An op is private to its attachment (undone on DEL) or shared with others (kept): `SHARED` lists
the latter. kernel/apply.py carries them out; how each is undone is written below its name.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from polypod.plan.facts import Where


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What an op made, so that an undo never removes somebody else's thing of the same name."""

    index: int = 0
    mac: str = ""


class RouteSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A route to add: dst `a.b.c.d/len`, gw empty for none, table 0 for main."""

    dst: str
    gw: str = ""
    src: str = ""
    priority: int = 0
    table: int = 0
    scope: int = 0


class SysctlSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A sysctl to write: key in path form; `required` makes a refusal an error."""

    key: str
    value: str
    required: bool = False


class AddBridge(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create a bridge in the host unless it is there, set it up, accept_ra off. Shared: kept."""

    name: str
    mtu: int = 0
    vlan_filtering: bool = False
    promisc: bool = False
    mac: str = ""
    """What a new bridge gets, so that its ports never change it; empty leaves it to the kernel."""


class AddVeth(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create a veth pair: ifname in the sandbox, host_name in the host, enslaved and up there.

    Undo: delete ifname in the sandbox (its peer goes with it) if the identity matches.
    """

    ifname: str
    host_name: str
    master: str = ""
    mtu: int = 0
    mac: str = ""
    hairpin: bool = False
    isolated: bool = False


class AddMacvlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create a macvlan named ifname in the sandbox. Undo: delete it if the identity matches."""

    ifname: str
    parent: str
    parent_where: Where = Where.HOST
    mode: str = "bridge"
    mtu: int = 0
    mac: str = ""
    bc_queue_len: int = 0


class AddIpvlan(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create an ipvlan named ifname in the sandbox. Undo: delete it if the identity matches."""

    ifname: str
    parent: str
    parent_where: Where = Where.HOST
    mode: str = "l2"
    mtu: int = 0


class Configure(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Give a link of the sandbox its addresses, set it up, add its routes, in one send.

    The order is: sysctls, IPv6 on (if an address needs it), addresses, up, wait until no IPv6
    address is tentative (only with settle, at most 5 s), routes. Undo: nothing, the link goes.
    """

    ifname: str
    addresses: tuple[str, ...] = ()
    routes: tuple[RouteSpec, ...] = ()
    sysctls: tuple[SysctlSpec, ...] = ()
    up: bool = True
    settle: bool = False


class SetPortVlans(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Set a bridge port's VLANs in the host. Undo: nothing, the port goes with its link."""

    port: str
    pvid: int = 0
    """Native, untagged VLAN; 0 adds none."""
    tagged: tuple[int, ...] = ()
    clear: bool = True
    """Remove the VLANs that the port has now (normally 1)."""


class AddGateway(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Put a gateway address on a host link, and pin the link's MAC. Shared: kept."""

    link: str
    address: str
    remove: tuple[str, ...] = ()
    """Conflicting addresses to delete first (forceAddress)."""
    mac: str = ""
    """The MAC to pin: what the link had before its newest port; empty for what it has now."""


class AddVlanGateway(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create `<bridge>.<vlan>`, a veth whose peer is a port of the bridge in that VLAN. Shared."""

    name: str
    peer: str
    bridge: str
    vlan: int
    mtu: int = 0
    clear: bool = True


class EnableForwarding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Switch on forwarding in the host for 4 or 6. Shared: kept."""

    family: int


class WaitOperUp(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Wait until a host link's operstate is up: at most 2.55 s. Undo: nothing."""

    name: str


class SetLink(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Change attributes of an existing link; None leaves one as it is.

    Undo: write the `previous` values back; a link that is gone is fine.
    """

    where: Where
    name: str
    up: bool | None = None
    mac: str | None = None
    mtu: int | None = None
    promisc: bool | None = None
    allmulti: bool | None = None
    tx_queue_len: int | None = None
    previous: SetLink | None = None


class WriteSysctl(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Write one sysctl. Undo: write `previous` back when it is known; gone is fine."""

    where: Where
    key: str
    value: str
    previous: str | None = None


class DeleteLink(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Delete a link of the sandbox; missing is fine. For DEL without a journal. Undo: nothing."""

    ifname: str


class AddMasquerade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Masquerade what leaves these addresses' networks (nft). Undo: remove the rules."""

    network: str
    container_id: str
    ifname: str
    addresses: tuple[str, ...] = ()


class AddSpoofCheck(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Drop frames from a port with another source MAC (nft). Undo: remove the rules."""

    port: str
    container_id: str
    ifname: str
    mac: str


class RemoveMasquerade(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Remove an attachment's masquerade rules; none is fine. For DEL without a journal."""

    network: str
    container_id: str
    ifname: str


class RemoveSpoofCheck(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Remove an attachment's spoof check; none is fine. For DEL without a journal."""

    container_id: str
    ifname: str


class ReplaceDefaultRoute(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Delete default routes of a family on `drop` links of the sandbox and add one by gateway.

    For the annotation's default-route. Undo: nothing, the routes go with their links.
    """

    family: int
    drop: tuple[str, ...] = ()
    ifname: str = ""
    gateway: str = ""


class KeepBackup(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Write a backup of a link's attributes as the reference's tuning does. Undo: delete it."""

    directory: str
    name: str
    content: str


class RestoreBackup(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Apply a backup written by KeepBackup or by the reference, then delete it. Missing is fine."""

    directory: str
    name: str
    ifname: str


KernelOp: TypeAlias = (
    AddBridge
    | AddVeth
    | AddMacvlan
    | AddIpvlan
    | Configure
    | SetPortVlans
    | AddGateway
    | AddVlanGateway
    | EnableForwarding
    | WaitOperUp
    | SetLink
    | WriteSysctl
    | DeleteLink
    | AddMasquerade
    | AddSpoofCheck
    | RemoveMasquerade
    | RemoveSpoofCheck
    | ReplaceDefaultRoute
)
StoreOp: TypeAlias = KeepBackup | RestoreBackup
Op: TypeAlias = KernelOp | StoreOp

SHARED = (AddBridge, AddGateway, AddVlanGateway, EnableForwarding)
"""Ops whose effect belongs to nobody alone: kept on DEL."""
LinkMaker: TypeAlias = AddVeth | AddMacvlan | AddIpvlan
LINK_MAKERS = (AddVeth, AddMacvlan, AddIpvlan)
"""Ops that make a private link in the sandbox; their apply returns an Identity."""
