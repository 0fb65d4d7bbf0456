"""CHECK of the bridge plugin: bridge, host end and sandbox end against prevResult.

The bridge's MAC is compared only where a gateway pins it: without one the kernel changes it
whenever ports come and go.
"""

from __future__ import annotations

from polypod.cni.result import Result
from polypod.errors import PluginError
from polypod.plan.facts import Facts, Link, LinkQuery, Query, Where
from polypod.plugins import expected
from polypod.plugins._shape import Call
from polypod.plugins.bridge_settings import Settings


def _host_names(call: Call, settings: Settings) -> tuple[str, ...]:
    links = call.prev_result.interfaces if call.prev_result is not None else ()
    return tuple(link.name for link in links if not link.sandbox and link.name != settings.bridge)


def reads(call: Call, settings: Settings) -> tuple[Query, ...]:
    """Name the links that are compared."""
    return (
        LinkQuery(Where.HOST, settings.bridge),
        LinkQuery(Where.SANDBOX, call.ifname),
        *(LinkQuery(Where.HOST, name) for name in _host_names(call, settings)),
    )


def check(call: Call, settings: Settings, facts: Facts) -> None:
    """Compare everything.

    Raises:
        PluginError: the first difference.
    """
    result = expected.previous(call, "Required prevResult missing")
    bridge = _bridge(settings, result, facts)
    inner = _inner(call, result, facts)
    _host_end(call, settings, bridge, inner, facts)
    expected.layer3(call, result, facts)


def _bridge(settings: Settings, result: Result, facts: Facts) -> Link:
    name = settings.bridge
    link = facts.link(Where.HOST, name)
    if link is None:
        raise PluginError(f"Interface name {name} not found")
    if link.kind != "bridge":
        raise PluginError(f"Bridge interface {name} not of type bridge")
    recorded = next((one.mac for one in result.interfaces if one.name == name), "")
    if settings.is_gateway and recorded and recorded.lower() != link.mac:
        raise PluginError(f"Bridge interface {name} Mac doesn't match: {recorded}")
    if settings.promisc != link.promisc:
        wanted, found = str(settings.promisc).lower(), str(link.promisc).lower()
        raise PluginError(
            f"Bridge interface {name} configured Promisc Mode {wanted}"
            f" doesn't match current state: {found} "
        )
    return link


def _inner(call: Call, result: Result, facts: Facts) -> Link:
    entry = expected.inside(call, result, "Sandbox")
    link = facts.link(Where.SANDBOX, call.ifname)
    if link is None:
        raise PluginError(f"Interface name {call.ifname} not found")
    if link.kind != "veth":
        raise PluginError(f"Error: Container interface {call.ifname} not of type veth")
    if entry.mac and entry.mac.lower() != link.mac:
        raise PluginError(
            f"Interface {call.ifname} Mac {entry.mac} doesn't match container Mac: {link.mac}"
        )
    return link


def _host_end(call: Call, settings: Settings, bridge: Link, inner: Link, facts: Facts) -> None:
    found: Link | None = None
    for name in _host_names(call, settings):
        link = facts.link(Where.HOST, name)
        if link is not None and link.index == inner.parent and link.master == bridge.index:
            found = link
    if found is None or call.prev_result is None:
        raise PluginError(f"CNI veth created for bridge {settings.bridge} was not found")
    recorded = next(
        (
            one.mac
            for one in call.prev_result.interfaces
            if one.name == found.name and not one.sandbox
        ),
        "",
    )
    if recorded and recorded.lower() != found.mac:
        raise PluginError(
            f"Interface {found.name} Mac {recorded} doesn't match host Mac: {found.mac}"
        )
