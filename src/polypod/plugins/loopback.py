"""The loopback plugin: `lo` of the sandbox up on ADD, down on DEL, whatever the interface name.

That the body is 1.x-shaped under every version label is the engine's affair.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_interface

from polypod.cni.labels import ALL_VERSIONS
from polypod.cni.result import Interface, IPConfig, Result
from polypod.errors import PluginError
from polypod.plan.facts import AddressesQuery, Facts, LinkQuery, Query, Where
from polypod.plan.ops import Op, SetLink
from polypod.plugins._shape import Call

_NAME = "lo"
_OWN = ("127.0.0.1/8", "::1/128")


@dataclass(frozen=True, slots=True)
class Loopback:
    """The plugin of type `loopback`."""

    versions: tuple[str, ...] = ALL_VERSIONS

    def reads(self, call: Call) -> tuple[Query, ...]:
        """Want nothing: there is nothing to configure."""
        del call
        return ()

    def plan_add(self, call: Call, facts: Facts, lease: Result | None) -> tuple[Op, ...]:
        """Set lo up."""
        del call, facts, lease
        return (SetLink(where=Where.SANDBOX, name=_NAME, up=True),)

    def reads_after(self, call: Call, ops: tuple[Op, ...]) -> tuple[Query, ...]:
        """Want the addresses that lo got by going up."""
        del call, ops
        return (AddressesQuery(Where.SANDBOX, _NAME),)

    def result(self, call: Call, ops: tuple[Op, ...], facts: Facts, lease: Result | None) -> Result:
        """Pass prevResult through, or report lo."""
        del ops, lease
        if call.prev_result is not None:
            return call.prev_result
        present = {address.address for address in facts.addresses(Where.SANDBOX, _NAME)}
        return Result(
            interfaces=(Interface(name=_NAME, mac="00:00:00:00:00:00", sandbox=call.netns),),
            ips=tuple(
                IPConfig(address=ip_interface(own), interface=0) for own in _OWN if own in present
            ),
        )

    def plan_del(self, call: Call) -> tuple[Op, ...]:
        """Set lo down, if there is a sandbox."""
        return (SetLink(where=Where.SANDBOX, name=_NAME, up=False),) if call.netns else ()

    def check_reads(self, call: Call) -> tuple[Query, ...]:
        """Want lo."""
        del call
        return (LinkQuery(Where.SANDBOX, _NAME),)

    def check(self, call: Call, facts: Facts) -> None:
        """Raise PluginError unless lo is up."""
        del call
        link = facts.link(Where.SANDBOX, _NAME)
        if link is None or not link.up:
            raise PluginError("loopback interface is down")
