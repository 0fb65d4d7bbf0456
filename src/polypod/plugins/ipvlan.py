"""The ipvlan plugin: a link that shares its parent's MAC; may be chained behind another plugin.

Making and naming the link is one op; the parent is found by a query.
"""

from __future__ import annotations

from dataclasses import dataclass

from polypod.cni import fields
from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.quote import quoted
from polypod.cni.result import Interface, Result
from polypod.errors import PluginError
from polypod.plan.facts import Facts, LinkQuery, MasterQuery, Query, Where
from polypod.plan.ops import AddIpvlan, DeleteLink, Op
from polypod.plugins import addresses, expected
from polypod.plugins._shape import Call
from polypod.plugins.macvlan import child

_MODES = ("l2", "l3", "l3s")


def _mode(call: Call) -> str:
    mode = fields.text(call.config, "mode") or "l2"
    if mode not in _MODES:
        raise PluginError(f"unknown ipvlan mode: {quoted(mode)}")
    return mode


def _where(call: Call) -> Where:
    return Where.SANDBOX if fields.flag(call.config, "linkInContainer") else Where.HOST


def _master(call: Call) -> str:
    """Return the parent's name, empty for the default route's device."""
    master = fields.text(call.config, "master")
    if master or call.prev_result is None:
        return master
    links = call.prev_result.interfaces
    if len(links) != 1 or not links[0].name:
        raise PluginError("chained master failure. PrevResult lacks a single named interface")
    return links[0].name


def _source(call: Call, lease: Result | None) -> Result:
    """Return the result whose addresses the link gets: the lease, or what came before."""
    if lease is not None:
        return lease
    if call.prev_result is not None and call.prev_result.ips:
        return call.prev_result
    raise PluginError("no plugin name provided")


@dataclass(frozen=True, slots=True)
class Ipvlan:
    """The plugin of type `ipvlan`."""

    versions: tuple[str, ...] = ALL_VERSIONS

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Validate the configuration; want the parent."""
        _mode(call)
        fields.unsigned(call.config, "mtu")
        addresses.configured_dns(call.config)
        query = MasterQuery(_where(call), _master(call))
        if not addresses.ipam_type(call.config):
            _source(call, None)
        return (query,)

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Make the link, give it its addresses, set it up."""
        where, master = _where(call), _master(call)
        link = facts.master(where, master)
        if link is None:
            raise PluginError(
                f"failed to lookup master {quoted(master)}: Link not found"
                if master
                else "no default route interface found"
            )
        source = _source(call, lease)
        ips = addresses.leased_ips(source, 0)
        sysctls = addresses.announcing(call.ifname)
        return (
            AddIpvlan(
                ifname=call.ifname,
                parent=link.name,
                parent_where=where,
                mode=_mode(call),
                mtu=fields.unsigned(call.config, "mtu") or 0,
            ),
            addresses.configure(call.ifname, ips, source.routes, sysctls),
        )

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Want the link, for its MAC."""
        del ops
        return (LinkQuery(Where.SANDBOX, call.ifname),)

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Report the link alone; name servers come from the configuration only."""
        del ops
        source = _source(call, lease)
        link = facts.link(Where.SANDBOX, call.ifname)
        mac = "" if link is None else link.mac
        return Result(
            interfaces=(Interface(name=call.ifname, mac=mac, sandbox=call.netns),),
            ips=addresses.leased_ips(source, 0),
            routes=source.routes,
            dns=addresses.configured_dns(call.config),
        )

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Delete the link, if there is a sandbox; no parent is needed."""
        return (DeleteLink(ifname=call.ifname),) if call.netns else ()

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Want the configured parent, the link, its addresses and the routes."""
        master = fields.text(call.config, "master")
        parent = (MasterQuery(_where(call), master),) if master else ()
        return (*parent, LinkQuery(Where.SANDBOX, call.ifname), *expected.reads(call.ifname))

    def check(self, call: Call, facts: Facts) -> None:
        """Raise PluginError on the first difference; without a master key no parent is judged."""
        result = expected.previous(call, "ipvlan: Required prevResult missing")
        entry = expected.inside(call, result, "sandbox")
        master = fields.text(call.config, "master")
        if master and facts.master(_where(call), master) is None:
            raise PluginError(f"failed to lookup master {quoted(master)}: Link not found")
        link = facts.link(Where.SANDBOX, call.ifname)
        child(call, "ipvlan", _mode(call), entry, link)
        expected.layer3(call, result, facts)
