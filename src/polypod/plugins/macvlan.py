"""The macvlan plugin: a link with a MAC of its own on a parent device.

Making and naming the link is one op; the parent is found by a query.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from polypod.cni import fields
from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.quote import quoted
from polypod.cni.result import DNS, Interface, Result
from polypod.errors import PluginError
from polypod.plan.facts import Facts, Link, LinkQuery, MasterQuery, Query, Where
from polypod.plan.ops import AddMacvlan, Configure, DeleteLink, Op
from polypod.plugins import addresses, expected, mac_choice
from polypod.plugins._shape import Call

_MODES = ("bridge", "private", "vepa", "passthru")


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    master: str
    where: Where
    mode: str
    mtu: int
    mac: str
    bc_queue_len: int
    dns: DNS


def _settings(call: Call) -> _Settings:
    known = call.notes.get("macvlan")
    if isinstance(known, _Settings):
        return known
    call.notes["macvlan"] = found = _read(call)
    return found


def _read(call: Call) -> _Settings:
    config = call.config
    mode = fields.text(config, "mode") or "bridge"
    inside = fields.flag(config, "linkInContainer")
    asked = mac_choice.from_arguments(call.arguments)
    if mode not in _MODES:
        raise PluginError(f"unknown macvlan mode: {quoted(mode)}")
    return _Settings(
        master=fields.text(config, "master"),
        where=Where.SANDBOX if inside else Where.HOST,
        mode=mode,
        mtu=fields.number(config, "mtu") or 0,
        mac=mac_choice.checked(
            mac_choice.from_runtime(config) or asked or fields.text(config, "mac")
        ),
        bc_queue_len=fields.unsigned(config, "bcqueuelen") or 0,
        dns=addresses.configured_dns(config),
    )


def _master(settings: _Settings, facts: Facts) -> Link:
    link = facts.master(settings.where, settings.master)
    if link is None:
        text = "Link not found" if settings.master else "no default route interface found"
        raise PluginError(text)
    if not 0 <= settings.mtu <= link.mtu:
        raise PluginError(f"invalid MTU {settings.mtu}, must be [0, master MTU({link.mtu})]")
    return link


@dataclass(frozen=True, slots=True)
class Macvlan:
    """The plugin of type `macvlan`."""

    versions: tuple[str, ...] = ALL_VERSIONS

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Validate the configuration; want the parent."""
        settings = _settings(call)
        return (MasterQuery(settings.where, settings.master),)

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Make the link, give it its addresses, set it up."""
        settings = _settings(call)
        link = _master(settings, facts)
        make = AddMacvlan(
            ifname=call.ifname,
            parent=link.name,
            parent_where=settings.where,
            mode=settings.mode,
            mtu=settings.mtu,
            mac=settings.mac,
            bc_queue_len=settings.bc_queue_len,
        )
        if lease is None:
            return (make, Configure(ifname=call.ifname))
        ips = addresses.leased_ips(lease, 0)
        sysctls = addresses.announcing(call.ifname)
        return (make, addresses.configure(call.ifname, ips, lease.routes, sysctls))

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Want the link, for its MAC."""
        del ops
        return (LinkQuery(Where.SANDBOX, call.ifname),)

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Report the link; name servers come from the configuration only."""
        del ops
        link = facts.link(Where.SANDBOX, call.ifname)
        mac = "" if link is None else link.mac
        return Result(
            interfaces=(Interface(name=call.ifname, mac=mac, sandbox=call.netns),),
            ips=() if lease is None else addresses.leased_ips(lease, 0),
            routes=() if lease is None else lease.routes,
            dns=_settings(call).dns,
        )

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Delete the link, if there is a sandbox."""
        return (DeleteLink(ifname=call.ifname),) if call.netns else ()

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Want the parent, the link, its addresses and the routes."""
        link = LinkQuery(Where.SANDBOX, call.ifname)
        return (*self.reads(call), link, *expected.reads(call.ifname))

    def check(self, call: Call, facts: Facts) -> None:
        """Raise PluginError on the first difference."""
        settings = _settings(call)
        _master(settings, facts)
        result = expected.previous(call, "required prevResult missing")
        entry = expected.inside(call, result, "sandbox")
        link = facts.link(Where.SANDBOX, call.ifname)
        child(call, "macvlan", settings.mode, entry, link)
        expected.layer3(call, result, facts)


def child(call: Call, kind: str, mode: str, entry: Interface, link: Link | None) -> None:
    """Compare a macvlan or ipvlan link with what was reported and configured.

    Raises:
        PluginError: missing, or of another kind, mode or MAC.
    """
    name = call.ifname
    if link is None:
        raise PluginError(f"container Interface name in prevResult: {name} not found")
    if link.kind != kind:
        raise PluginError(f"error: Container interface {name} not of type {kind}")
    if link.mode != mode:
        raise PluginError(
            f"container {kind} mode {link.mode} does not match expected value: {mode}"
        )
    if entry.mac and entry.mac.lower() != link.mac:
        raise PluginError(
            f"interface {name} Mac {entry.mac} doesn't match container Mac: {link.mac}"
        )
