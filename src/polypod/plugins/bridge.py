"""The bridge plugin: a veth pair between the sandbox and a bridge of the host.

Addresses of the gateway are decided in bridge_gateway.py, VLANs in vlan_trunk.py, CHECK in
bridge_check.py. The bridge itself belongs to nobody alone and is never removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from polypod.cni import fields
from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.quote import quoted
from polypod.cni.result import DNS, Interface, IPConfig, Result, Route
from polypod.errors import PluginError
from polypod.plan import ops as op
from polypod.plan.facts import AddressesQuery, Facts, Link, LinkQuery, Query, Where
from polypod.plan.ops import Op
from polypod.plugins import addresses, bridge_check, bridge_gateway, expected, mac_choice
from polypod.plugins._shape import Call
from polypod.plugins.bridge_settings import Settings, read


def _host_name(call: Call) -> str:
    return f"veth{call.seed}"


def _vlan_link(settings: Settings) -> str:
    """Return the link that carries the gateway of a VLAN, empty without one."""
    carries = settings.is_gateway and settings.vlan
    return f"{settings.bridge}.{settings.vlan}" if carries else ""


def _links(call: Call, ops: tuple[Op, ...]) -> tuple[LinkQuery, ...]:
    """Return the links that are reported: bridge, host end, sandbox end, the link of a gateway."""
    return (
        LinkQuery(Where.HOST, read(call).bridge),
        LinkQuery(Where.HOST, _host_name(call)),
        LinkQuery(Where.SANDBOX, call.ifname),
        *[LinkQuery(Where.HOST, o.name) for o in ops if isinstance(o, op.AddVlanGateway)],
    )


def _addresses(settings: Settings, lease: Result) -> tuple[tuple[IPConfig, ...], tuple[Route, ...]]:
    """Return the addresses and routes that the sandbox gets."""
    ips = addresses.leased_ips(lease, 2)
    if settings.is_gateway:
        ips = bridge_gateway.with_gateways(ips)
    if not settings.is_default_gateway:
        return ips, lease.routes
    return ips, (*lease.routes, *bridge_gateway.default_routes(ips, lease.routes))


@dataclass(frozen=True, slots=True)
class Bridge:
    """The plugin of type `bridge`."""

    versions: tuple[str, ...] = ALL_VERSIONS

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Validate the configuration; want the bridge and what is on the gateway's link."""
        settings = read(call)
        carrier = _vlan_link(settings) or settings.bridge
        link = LinkQuery(Where.HOST, settings.bridge)
        if not settings.is_gateway:
            return (link,)
        return (link, AddressesQuery(Where.HOST, carrier))

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Make bridge and pair, then addresses, gateway, masquerade; wait for the port last."""
        settings = read(call)
        ops = list(_link_ops(call, settings, facts))
        if lease is not None:
            ops += _lease_ops(call, settings, facts, lease)
        elif not settings.down:
            ops.append(op.Configure(ifname=call.ifname))
        if not settings.down:
            ops.append(op.WaitOperUp(name=_host_name(call)))
        return tuple(ops)

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Want the links that are reported, for their MACs."""
        return _links(call, ops)

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Report bridge, host end, sandbox end and, with a VLAN gateway, its link."""
        settings = read(call)
        links = tuple([_reported(call, facts, link) for link in _links(call, ops)])
        if lease is None:
            return Result(interfaces=links, dns=settings.dns or DNS())
        ips, routes = _addresses(settings, lease)
        return Result(interfaces=links, ips=ips, routes=routes, dns=settings.dns or lease.dns)

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Delete the pair and the rules; a configuration that is wrong by now does not matter."""
        ops: list[Op] = []
        if call.netns:
            ops.append(op.DeleteLink(ifname=call.ifname))
        if fields.get(call.config, "macspoofchk") is True:
            ops.append(op.RemoveSpoofCheck(container_id=call.container_id, ifname=call.ifname))
        if fields.get(call.config, "ipMasq") is True:
            ops.append(
                op.RemoveMasquerade(
                    network=call.network, container_id=call.container_id, ifname=call.ifname
                )
            )
        return tuple(ops)

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Want the bridge, both ends, the sandbox's addresses and routes."""
        return (*bridge_check.reads(call, read(call)), *expected.reads(call.ifname))

    def check(self, call: Call, facts: Facts) -> None:
        """Raise PluginError on the first difference."""
        bridge_check.check(call, read(call), facts)


def _link_ops(call: Call, settings: Settings, facts: Facts) -> tuple[Op, ...]:
    name = settings.bridge
    present = facts.link(Where.HOST, name)
    if present is not None and present.kind != "bridge":
        shown = quoted(name)
        raise PluginError(
            f"failed to create bridge {shown}: {shown} already exists but is not a bridge"
        )
    mac = settings.mac
    if settings.spoof_check and not mac:
        mac = mac_choice.derived(call.container_id, call.ifname)
    host_name = _host_name(call)
    return (
        op.AddBridge(
            name=name,
            mtu=settings.mtu,
            vlan_filtering=bool(settings.vlan) or settings.trunk is not None,
            promisc=settings.promisc,
            mac=_pinned(call, settings, None),
        ),
        op.AddVeth(
            ifname=call.ifname,
            host_name=host_name,
            master=name,
            mtu=settings.mtu,
            mac=mac,
            hairpin=settings.hairpin,
            isolated=settings.isolated,
        ),
        *_port_ops(call, settings, host_name, mac),
    )


def _port_ops(call: Call, settings: Settings, port: str, mac: str) -> Iterator[Op]:
    if settings.vlan or settings.trunk:
        yield op.SetPortVlans(
            port=port,
            pvid=settings.vlan or 1,
            tagged=settings.trunk or (),
            clear=not settings.keep_vlans,
        )
    if settings.spoof_check:
        yield op.AddSpoofCheck(
            port=port, container_id=call.container_id, ifname=call.ifname, mac=mac
        )


def _lease_ops(call: Call, settings: Settings, facts: Facts, lease: Result) -> tuple[Op, ...]:
    ips, routes = _addresses(settings, lease)
    detection = (
        (("ipv6", "enhanced_dad", "1"), ("ipv6", "accept_dad", "1"))
        if settings.detect_duplicates
        else (("ipv6", "accept_dad", "0"),)
    )
    sysctls = addresses.best_effort(call.ifname, *detection, ("ipv4", "arp_notify", "1"))
    ops: list[Op] = [addresses.configure(call.ifname, ips, routes, sysctls)]
    if settings.is_gateway:
        ops += _gateway(call, settings, facts, ips)
    if settings.masquerade:
        ops.append(
            op.AddMasquerade(
                network=call.network,
                container_id=call.container_id,
                ifname=call.ifname,
                addresses=tuple(str(ip.address) for ip in ips),
            )
        )
    return tuple(ops)


def _gateway(
    call: Call, settings: Settings, facts: Facts, ips: tuple[IPConfig, ...]
) -> tuple[Op, ...]:
    carrier = _vlan_link(settings) or settings.bridge
    present = facts.link(Where.HOST, settings.bridge)
    ops = bridge_gateway.gateway_ops(
        carrier,
        ips,
        facts.addresses(Where.HOST, carrier),
        force=settings.force_address,
        mac="" if present is None else _pinned(call, settings, present),
    )
    if carrier == settings.bridge:
        return ops
    peer = sha256(f"{call.seed}/{carrier}".encode()).hexdigest()[:8]
    make = op.AddVlanGateway(
        name=carrier,
        peer=f"veth{peer}",
        bridge=settings.bridge,
        vlan=settings.vlan,
        mtu=settings.mtu if present is None else present.mtu,
        clear=not settings.keep_vlans,
    )
    return (make, *ops)


def _pinned(call: Call, settings: Settings, present: Link | None) -> str:
    """Return the MAC that a bridge with a gateway keeps for good, empty for other bridges.

    Pods remember their gateway's MAC, and the kernel would change it with the bridge's ports.
    """
    if not settings.is_gateway or settings.vlan:
        return ""
    if present is not None and present.mac.strip("0:"):
        return present.mac
    return mac_choice.derived(call.seed, settings.bridge)


def _reported(call: Call, facts: Facts, query: LinkQuery) -> Interface:
    link = facts.link(query.where, query.name)
    return Interface(
        name=query.name,
        mac="" if link is None else link.mac,
        sandbox=call.netns if query.where is Where.SANDBOX else "",
    )
