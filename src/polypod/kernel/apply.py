"""Carries out ops: each function is one op's act, found by the op's type.

Plugins decided; here is only how the kernel is told. Errors keep the reference's words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from polypod.errors import KernelError, PluginError, UnsupportedError
from polypod.kernel import configure, links, nft, routes, shared, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_EXCL, Message, attr, u32
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import Link, Where
from polypod.plan.ops import Identity, KernelOp

_EEXIST, _EOPNOTSUPP, _ENODEV = 17, 95, 19
_NEW = NLM_F_CREATE | NLM_F_EXCL


def apply(op: KernelOp, spaces: Spaces) -> Identity | None:
    """Carry out one op; makers of links return what they made.

    Raises:
        PluginError: the host's state does not allow it (the reference's words).
        UnsupportedError: the kernel lacks the kind of link.
    """
    act = cast("Callable[[KernelOp, Spaces], Identity | None]", ACTS[type(op)])
    return act(op, spaces)


def add_veth(op: ops.AddVeth, spaces: Spaces) -> Identity:
    """Create a pair in one message; the host's end is born enslaved and up."""
    master = spaces.link(Where.HOST, op.master) if op.master else None
    if op.master and master is None:
        raise PluginError(f'failed to lookup "{op.master}": Link not found')
    try:
        body = links.veth(
            host_name=op.host_name,
            ifname=op.ifname,
            sandbox=spaces.sandbox_fd,
            master=master.index if master else 0,
            mtu=op.mtu,
            mac=op.mac,
        )
    except PluginError as error:
        raise PluginError(f"failed to make veth pair: {error.cause}") from error
    made, asked = spaces.socket(Where.HOST).many(
        (
            Message(links.RTM_NEWLINK, _NEW, body),
            Message(links.RTM_GETLINK, 0, links.by_name(op.host_name)),
        )
    )
    if isinstance(made, KernelError):
        if made.errno == _EEXIST:
            raise PluginError(
                f'container veth name ("{op.ifname}") peer provided ("{op.host_name}")'
                " already exists"
            ) from made
        raise PluginError(f"failed to make veth pair: {made.cause}", hint=made.hint) from made
    if isinstance(asked, KernelError) or not asked:
        raise PluginError(f"failed to make veth pair: {op.host_name} vanished")
    host = links.parse(asked[0].body)
    _tell_port(op, host.index, spaces)
    return Identity(index=host.parent, mac=op.mac.lower())


def _tell_port(op: ops.AddVeth, index: int, spaces: Spaces) -> None:
    with spaces.inside(Where.HOST):
        sysctl.write_if_there(f"net/ipv6/conf/{op.host_name}/accept_ra", "0")
    if op.master and (op.hairpin or op.isolated):
        body = links.port_flags(index, hairpin=op.hairpin, isolated=op.isolated)
        spaces.socket(Where.HOST).one(links.RTM_SETLINK, 0, body)


def add_macvlan(op: ops.AddMacvlan, spaces: Spaces) -> Identity:
    """Create a macvlan under its final name, in the sandbox."""
    parent, inside = _parent(op.parent, op.parent_where, spaces)
    body = links.macvlan(
        ifname=op.ifname,
        parent=parent.index,
        sandbox=inside,
        mode=op.mode,
        mtu=op.mtu,
        mac=op.mac,
        queue=op.bc_queue_len,
    )
    return _make_child("macvlan", op.ifname, body, op.parent_where, spaces)


def add_ipvlan(op: ops.AddIpvlan, spaces: Spaces) -> Identity:
    """Create an ipvlan under its final name, in the sandbox."""
    parent, inside = _parent(op.parent, op.parent_where, spaces)
    body = links.ipvlan(
        ifname=op.ifname, parent=parent.index, sandbox=inside, mode=op.mode, mtu=op.mtu
    )
    return _make_child("ipvlan", op.ifname, body, op.parent_where, spaces)


def _parent(name: str, where: Where, spaces: Spaces) -> tuple[Link, int | None]:
    fd = spaces.sandbox_fd
    found = spaces.link(where, name)
    if found is None:
        raise PluginError(f'failed to lookup master "{name}": Link not found')
    return found, None if where is Where.SANDBOX else fd


def _make_child(kind: str, ifname: str, body: bytes, where: Where, spaces: Spaces) -> Identity:
    try:
        spaces.socket(where).one(links.RTM_NEWLINK, _NEW, body)
    except KernelError as error:
        if error.errno == _EEXIST:
            raise PluginError(f'failed to rename {kind} to "{ifname}": file exists') from error
        if error.errno == _EOPNOTSUPP:
            raise UnsupportedError(
                f"failed to create {kind}: operation not supported",
                hint=f"this kernel lacks {kind}: load the module, or use another kernel",
                code=999,
            ) from error
        raise PluginError(f"failed to create {kind}: {error.cause}", hint=error.hint) from error
    made = spaces.link(Where.SANDBOX, ifname)
    if made is None:
        raise PluginError(f'failed to refetch {kind} "{ifname}": Link not found')
    return Identity(index=made.index, mac=made.mac)


def set_port_vlans(op: ops.SetPortVlans, spaces: Spaces) -> None:
    """Set a port's VLANs: what it has now goes first, unless it is to stay."""
    port = spaces.link(Where.HOST, op.port)
    if port is None:
        raise PluginError(f'failed to lookup "{op.port}": Link not found')
    shared.set_vlans(port.index, op.pvid, op.tagged, spaces, clear=op.clear)


def set_link(op: ops.SetLink, spaces: Spaces) -> None:
    """Change a link's attributes, each in its own message so that the error tells which."""
    if op.where is Where.SANDBOX:
        spaces.check_sandbox()
    link = spaces.link(op.where, op.name)
    if link is None:
        raise PluginError(f'failed to get "{op.name}": Link not found')
    socket = spaces.socket(op.where)
    parts: list[tuple[str, bytes]] = []
    if op.mac is not None:
        parts.append(("MAC", links.header(link.index) + attr(1, links.mac_bytes(op.mac))))
    flags = ((op.promisc, links.IFF_PROMISC), (op.allmulti, links.IFF_ALLMULTI), (op.up, 1))
    parts.extend(
        ("flags", links.header(link.index, mask if wanted else 0, mask))
        for wanted, mask in flags
        if wanted is not None
    )
    if op.mtu is not None:
        parts.append(("MTU", links.header(link.index) + u32(links.IFLA_MTU, op.mtu)))
    if op.tx_queue_len is not None:
        queue = u32(links.IFLA_TXQLEN, op.tx_queue_len)
        parts.append(("transmit queue length", links.header(link.index) + queue))
    for what, body in parts:
        try:
            socket.one(links.RTM_NEWLINK, 0, body)
        except KernelError as error:
            raise PluginError(f'failed to set {what} of "{op.name}": {error.cause}') from error


def write_sysctl(op: ops.WriteSysctl, spaces: Spaces) -> None:
    """Write one sysctl."""
    if op.where is Where.SANDBOX:
        spaces.check_sandbox()
    with spaces.inside(op.where):
        sysctl.write(op.key, op.value)


def delete_link(op: ops.DeleteLink, spaces: Spaces) -> None:
    """Delete a link of the sandbox; missing is fine."""
    link = spaces.link(Where.SANDBOX, op.ifname)
    if link is not None:
        remove(link.index, spaces)


def remove(index: int, spaces: Spaces) -> None:
    """Delete a link of the sandbox by its index; missing is fine."""
    try:
        spaces.socket(Where.SANDBOX).one(links.RTM_DELLINK, 0, links.header(index))
    except KernelError as error:
        if error.errno != _ENODEV:
            raise PluginError(f"failed to delete the interface: {error.cause}") from error


def replace_default_route(op: ops.ReplaceDefaultRoute, spaces: Spaces) -> None:
    """Delete a family's default routes and add the one that is wanted."""
    configure.drop_defaults(op.family, op.drop, spaces)
    link = spaces.link(Where.SANDBOX, op.ifname)
    if link is None:
        raise PluginError(f'failed to lookup "{op.ifname}": Link not found')
    dst = "0.0.0.0/0" if op.family == 4 else "::/0"
    spec = ops.RouteSpec(dst=dst, gw=op.gateway)
    try:
        body = routes.route(link.index, spec)
        spaces.socket(Where.SANDBOX).one(routes.RTM_NEWROUTE, NLM_F_CREATE, body)
    except KernelError as error:
        if error.errno != _EEXIST:
            raise PluginError(f"error setting default gateway: {error.cause}") from error


ACTS: dict[type[KernelOp], object] = {
    ops.AddBridge: shared.add_bridge,
    ops.AddVeth: add_veth,
    ops.AddMacvlan: add_macvlan,
    ops.AddIpvlan: add_ipvlan,
    ops.Configure: configure.configure,
    ops.SetPortVlans: set_port_vlans,
    ops.AddGateway: shared.add_gateway,
    ops.AddVlanGateway: shared.add_vlan_gateway,
    ops.EnableForwarding: shared.enable_forwarding,
    ops.WaitOperUp: configure.wait_oper_up,
    ops.SetLink: set_link,
    ops.WriteSysctl: write_sysctl,
    ops.DeleteLink: delete_link,
    ops.AddMasquerade: nft.add_masquerade,
    ops.AddSpoofCheck: nft.add_spoof_check,
    ops.RemoveMasquerade: nft.remove_masquerade,
    ops.RemoveSpoofCheck: nft.remove_spoof_check,
    ops.ReplaceDefaultRoute: replace_default_route,
}
