"""What each op does to the small world; the fake kernel finds the act by the op's type.

Errors are those of the real door, in the same words, where tests and users see them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import cast

from msgspec.structs import replace

from polypod.errors import InvalidNetnsError, PluginError
from polypod.plan import ops
from polypod.plan.facts import Address, Link, Port, RouteFact, Where
from polypod.plan.ops import Identity, KernelOp
from polypod.testing.world import Space, World

DEFAULTS = ("0.0.0.0/0", "::/0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The two namespaces that ops speak of, and the world they are part of."""

    world: World
    host: Space
    sandbox: Space | None
    missing: str = ""
    """The sandbox's path when nothing is there."""

    def space(self, where: Where) -> Space:
        """Return a namespace.

        Raises:
            InvalidNetnsError: there is no sandbox.
        """
        if where is Where.HOST:
            return self.host
        if self.sandbox is None:
            raise InvalidNetnsError(
                f'failed to open netns "{self.missing}":'
                f' failed to Statfs "{self.missing}": no such file or directory',
                code=999,
            )
        return self.sandbox

    def link(self, where: Where, name: str) -> Link:
        """Return a link.

        Raises:
            PluginError: there is none of that name.
        """
        found = self.space(where).links.get(name)
        if found is None:
            raise PluginError(f'failed to lookup "{name}": Link not found')
        return found


def act(op: KernelOp, place: Place) -> Identity | None:
    """Carry out one op; makers of links return what they made.

    Raises:
        PluginError: the world's state does not allow it.
        InvalidNetnsError: there is no sandbox.
    """
    found = cast("Callable[[KernelOp, Place], Identity | None]", ACTS[type(op)])
    return found(op, place)


def _add_bridge(op: ops.AddBridge, place: Place) -> None:
    found = place.host.links.get(op.name)
    if found is None:
        index = place.world.number()
        found = place.world.add(
            place.host,
            Link(
                name=op.name,
                index=index,
                kind="bridge",
                mac=op.mac.lower(),
                mtu=op.mtu or 1500,
                vlan_filtering=op.vlan_filtering,
            ),
        )
    if found.kind != "bridge":
        raise PluginError(
            f'failed to create bridge "{op.name}": "{op.name}" already exists but is not a bridge'
        )
    place.host.links[op.name] = replace(found, up=True, promisc=found.promisc or op.promisc)


def _add_veth(op: ops.AddVeth, place: Place) -> Identity:
    sandbox = place.space(Where.SANDBOX)
    master = place.link(Where.HOST, op.master).index if op.master else 0
    if op.ifname in sandbox.links or op.host_name in place.host.links:
        raise PluginError(
            f'container veth name ("{op.ifname}") peer provided ("{op.host_name}") already exists'
        )
    inner, outer = place.world.number(), place.world.number()
    size = op.mtu or 1500
    pair = Link(name=op.ifname, index=inner, kind="veth", mac=op.mac.lower(), mtu=size)
    place.world.add(sandbox, replace(pair, parent=outer))
    far = Link(name=op.host_name, index=outer, kind="veth", mtu=size, master=master, parent=inner)
    place.world.add(place.host, replace(far, up=True, operstate="lowerlayerdown"))
    if master:
        place.host.ports[op.host_name] = Port(
            hairpin=op.hairpin, isolated=op.isolated, pvid=1, vlans=(1,)
        )
    sandbox.ours.add(op.ifname)
    return Identity(index=inner, mac=op.mac.lower())


def _child(kind: str, op: ops.AddMacvlan | ops.AddIpvlan, place: Place) -> Identity:
    sandbox = place.space(Where.SANDBOX)
    found = place.space(op.parent_where).links.get(op.parent)
    if found is None:
        raise PluginError(f'failed to lookup master "{op.parent}": Link not found')
    if op.ifname in sandbox.links:
        raise PluginError(f'failed to rename {kind} to "{op.ifname}": file exists')
    wanted = op.mac.lower() if isinstance(op, ops.AddMacvlan) else found.mac
    made = place.world.add(
        sandbox,
        Link(
            name=op.ifname,
            index=place.world.number(),
            kind=kind,
            mac=wanted,
            mtu=op.mtu or found.mtu,
            parent=found.index,
            mode=op.mode,
        ),
    )
    sandbox.ours.add(op.ifname)
    return Identity(index=made.index, mac=made.mac)


def _add_macvlan(op: ops.AddMacvlan, place: Place) -> Identity:
    return _child("macvlan", op, place)


def _add_ipvlan(op: ops.AddIpvlan, place: Place) -> Identity:
    return _child("ipvlan", op, place)


def _configure(op: ops.Configure, place: Place) -> None:
    sandbox = place.space(Where.SANDBOX)
    link = place.link(Where.SANDBOX, op.ifname)
    sandbox.sysctls.update({spec.key: spec.value for spec in op.sysctls})
    for address in op.addresses:
        _address(sandbox, op.ifname, address)
    if op.up:
        sandbox.links[op.ifname] = replace(link, up=True, operstate="up")
    for route in op.routes:
        _route(route, op.ifname, sandbox)


def _address(space: Space, name: str, address: str) -> None:
    value = ip_interface(address)
    if any(one.address == str(value) for one in space.addresses[name]):
        mask = value.network.netmask.packed.hex()
        raise PluginError(f'failed to add IP addr {{{value.ip} {mask}}} to "{name}": file exists')
    space.addresses[name] = (*space.addresses[name], Address(address=str(value)))
    if value.network.prefixlen < value.max_prefixlen:
        own = RouteFact(dst=str(value.network), device=name, src=str(value.ip))
        space.routes = (*space.routes, own)


def _route(spec: ops.RouteSpec, name: str, space: Space) -> None:
    dst = str(ip_network(spec.dst, strict=False))
    if spec.gw and not any(
        ip_address(spec.gw) in ip_interface(one.address).network for one in space.addresses[name]
    ):
        raise PluginError(f"failed to add route '{dst} via {spec.gw}': network is unreachable")
    made = RouteFact(dst=dst, gw=spec.gw, device=name, priority=spec.priority, scope=spec.scope)
    if spec.table in {0, 254}:
        space.routes = (*space.routes, made)


def _set_port_vlans(op: ops.SetPortVlans, place: Place) -> None:
    place.link(Where.HOST, op.port)
    port = place.host.ports.get(op.port, Port())
    before = () if op.clear else port.vlans
    added = (*((op.pvid,) if op.pvid else ()), *op.tagged)
    place.host.ports[op.port] = replace(
        port,
        pvid=op.pvid or (0 if op.clear else port.pvid),
        vlans=tuple(sorted({*before, *added})),
    )


def _add_gateway(op: ops.AddGateway, place: Place) -> None:
    place.link(Where.HOST, op.link)
    kept = tuple(a for a in place.host.addresses[op.link] if a.address not in op.remove)
    place.host.addresses[op.link] = kept
    if not any(one.address == op.address for one in kept):
        _address(place.host, op.link, op.address)


def _add_vlan_gateway(op: ops.AddVlanGateway, place: Place) -> None:
    if op.name in place.host.links:
        return
    bridge = place.link(Where.HOST, op.bridge)
    outer, inner = place.world.number(), place.world.number()
    end = Link(name=op.name, index=outer, kind="veth", mtu=op.mtu or bridge.mtu, up=True)
    place.world.add(place.host, replace(end, parent=inner, operstate="up"))
    peer = replace(end, name=op.peer, index=inner, parent=outer, master=bridge.index)
    place.world.add(place.host, peer)
    place.host.ports[op.peer] = Port(pvid=op.vlan, vlans=(op.vlan,) if op.clear else (1, op.vlan))


def _enable_forwarding(op: ops.EnableForwarding, place: Place) -> None:
    key = "net/ipv4/ip_forward" if op.family == 4 else "net/ipv6/conf/all/forwarding"
    place.host.sysctls[key] = "1"


def _wait_oper_up(op: ops.WaitOperUp, place: Place) -> None:
    link = place.host.links.get(op.name)
    if link is None or not link.up:
        raise PluginError(f"bridge port in error state: {'down' if link else 'notpresent'}")
    place.host.links[op.name] = replace(link, operstate="up")


def _set_link(op: ops.SetLink, place: Place) -> None:
    space = place.space(op.where)
    link = space.links.get(op.name)
    if link is None:
        raise PluginError(f'failed to get "{op.name}": Link not found')
    space.links[op.name] = replace(
        link,
        up=link.up if op.up is None else op.up,
        mac=link.mac if op.mac is None else op.mac.lower(),
        mtu=link.mtu if op.mtu is None else op.mtu,
        promisc=link.promisc if op.promisc is None else op.promisc,
        allmulti=link.allmulti if op.allmulti is None else op.allmulti,
        tx_queue_len=link.tx_queue_len if op.tx_queue_len is None else op.tx_queue_len,
    )


def _write_sysctl(op: ops.WriteSysctl, place: Place) -> None:
    place.space(op.where).sysctls[op.key] = op.value


def _delete_link(op: ops.DeleteLink, place: Place) -> None:
    if place.sandbox is not None:
        place.world.remove(place.sandbox, op.ifname)


def _add_masquerade(op: ops.AddMasquerade, place: Place) -> None:
    forget_rules("masquerade", op.container_id, op.ifname, place.world)
    for address in op.addresses:
        place.world.rules.add(("masquerade", op.container_id, op.ifname, address))


def _add_spoof_check(op: ops.AddSpoofCheck, place: Place) -> None:
    forget_rules("spoof", op.container_id, op.ifname, place.world)
    place.world.rules.add(("spoof", op.container_id, op.ifname, op.port, op.mac))


def forget_rules(kind: str, container_id: str, ifname: str, world: World) -> None:
    """Remove an attachment's nft rules; none is fine."""
    mine = (kind, container_id, ifname)
    world.rules = {rule for rule in world.rules if rule[:3] != mine}


def _remove_masquerade(op: ops.RemoveMasquerade, place: Place) -> None:
    forget_rules("masquerade", op.container_id, op.ifname, place.world)


def _remove_spoof_check(op: ops.RemoveSpoofCheck, place: Place) -> None:
    forget_rules("spoof", op.container_id, op.ifname, place.world)


def _replace_default_route(op: ops.ReplaceDefaultRoute, place: Place) -> None:
    sandbox = place.space(Where.SANDBOX)
    dst = DEFAULTS[0] if op.family == 4 else DEFAULTS[1]
    sandbox.routes = tuple(
        route for route in sandbox.routes if not (route.dst == dst and route.device in op.drop)
    )
    place.link(Where.SANDBOX, op.ifname)
    try:
        _route(ops.RouteSpec(dst=dst, gw=op.gateway), op.ifname, sandbox)
    except PluginError as error:
        raise PluginError("error setting default gateway: network is unreachable") from error


ACTS: dict[type[KernelOp], object] = {
    ops.AddBridge: _add_bridge,
    ops.AddVeth: _add_veth,
    ops.AddMacvlan: _add_macvlan,
    ops.AddIpvlan: _add_ipvlan,
    ops.Configure: _configure,
    ops.SetPortVlans: _set_port_vlans,
    ops.AddGateway: _add_gateway,
    ops.AddVlanGateway: _add_vlan_gateway,
    ops.EnableForwarding: _enable_forwarding,
    ops.WaitOperUp: _wait_oper_up,
    ops.SetLink: _set_link,
    ops.WriteSysctl: _write_sysctl,
    ops.DeleteLink: _delete_link,
    ops.AddMasquerade: _add_masquerade,
    ops.AddSpoofCheck: _add_spoof_check,
    ops.RemoveMasquerade: _remove_masquerade,
    ops.RemoveSpoofCheck: _remove_spoof_check,
    ops.ReplaceDefaultRoute: _replace_default_route,
}
