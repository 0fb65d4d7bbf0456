"""Carries out ops: each function is one op's act, found by the op's type.

Plugins decided; here is only how the kernel is told. Errors keep the reference's words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import cast

from polypod.errors import KernelError, PluginError
from polypod.kernel import configure, links, make, nft, routes, shared, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, attr, u32
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import HOST, SANDBOX
from polypod.plan.ops import Identity, KernelOp

_EEXIST = 17


def apply(op: KernelOp, spaces: Spaces) -> Identity | None:
    """Carry out one op; makers of links return what they made.

    Raises:
        PluginError: the host's state does not allow it (the reference's words).
        UnsupportedError: the kernel lacks the kind of link.
    """
    act = cast("Callable[[KernelOp, Spaces], Identity | None]", ACTS[type(op)])
    return act(op, spaces)


def set_port_vlans(op: ops.SetPortVlans, spaces: Spaces) -> None:
    """Set a port's VLANs: what it has now goes first, unless it is to stay."""
    port = spaces.link(HOST, op.port)
    if port is None:
        raise PluginError(f'failed to lookup "{op.port}": Link not found')
    shared.set_vlans(port.index, op.pvid, op.tagged, spaces, clear=op.clear)


def set_link(op: ops.SetLink, spaces: Spaces) -> None:
    """Change a link's attributes, each in its own message so that the error tells which."""
    if op.where is SANDBOX:
        spaces.check_sandbox()
    link = spaces.link(op.where, op.name)
    if link is None:
        raise PluginError(f'failed to get "{op.name}": Link not found')
    for what, body in _changes(op, link.index):
        try:
            spaces.socket(op.where).one(links.RTM_NEWLINK, 0, body)
        except KernelError as error:
            set_back(op, spaces)
            raise PluginError(
                f'failed to set {what} of "{op.name}": {error.cause}', hint=error.hint
            ) from error


def set_back(op: ops.SetLink, spaces: Spaces) -> None:
    """Write the former values back, as far as the kernel takes them."""
    if op.previous is None:
        return
    for _, body in _changes(op.previous, spaces.index(op.where, op.name)):
        with contextlib.suppress(KernelError):
            spaces.socket(op.where).one(links.RTM_NEWLINK, 0, body)


def _changes(op: ops.SetLink, index: int) -> list[tuple[str, bytes]]:
    """Return a message for each attribute, with its name."""
    parts: list[tuple[str, bytes]] = []
    if op.mac is not None:
        parts.append(("MAC", links.header(index) + attr(1, links.mac_bytes(op.mac))))
    flags = ((op.promisc, links.IFF_PROMISC), (op.allmulti, links.IFF_ALLMULTI), (op.up, 1))
    parts.extend(
        ("flags", links.header(index, mask if wanted else 0, mask))
        for wanted, mask in flags
        if wanted is not None
    )
    if op.mtu is not None:
        parts.append(("MTU", links.header(index) + u32(links.IFLA_MTU, op.mtu)))
    if op.tx_queue_len is not None:
        queue = u32(links.IFLA_TXQLEN, op.tx_queue_len)
        parts.append(("transmit queue length", links.header(index) + queue))
    return parts


def write_sysctl(op: ops.WriteSysctl, spaces: Spaces) -> None:
    """Write one sysctl."""
    if op.where is SANDBOX:
        spaces.check_sandbox()
    with spaces.inside(op.where):
        sysctl.write(op.key, op.value)


def delete_link(op: ops.DeleteLink, spaces: Spaces) -> None:
    """Delete a link of the sandbox; missing is fine."""
    link = spaces.link(SANDBOX, op.ifname)
    if link is not None:
        make.remove(link.index, spaces)


def replace_default_route(op: ops.ReplaceDefaultRoute, spaces: Spaces) -> None:
    """Delete a family's default routes and add the one that is wanted."""
    configure.drop_defaults(op.family, op.drop, spaces)
    link = spaces.link(SANDBOX, op.ifname)
    if link is None:
        raise PluginError(f'failed to lookup "{op.ifname}": Link not found')
    dst = "0.0.0.0/0" if op.family == 4 else "::/0"
    spec = ops.RouteSpec(dst=dst, gw=op.gateway)
    try:
        body = routes.route(link.index, spec)
        spaces.socket(SANDBOX).one(routes.RTM_NEWROUTE, NLM_F_CREATE, body)
    except KernelError as error:
        if error.errno != _EEXIST:
            raise PluginError(f"error setting default gateway: {error.cause}") from error


ACTS: dict[type[KernelOp], object] = {
    ops.AddBridge: shared.add_bridge,
    ops.AddVeth: make.make_one,
    ops.AddMacvlan: make.make_one,
    ops.AddIpvlan: make.make_one,
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
