"""The bridge plugin asked for a plan: what its tests share."""

from __future__ import annotations

from ipaddress import ip_interface

from tests.unit.plugins.calls import plugin_call

from polypod.cni.result import IPConfig, Result
from polypod.plan import ops as op
from polypod.plan.facts import AddressesQuery, Fact, Facts, Query
from polypod.plugins._shape import Call
from polypod.plugins.bridge import Bridge

PLUGIN = Bridge()
V4 = Result(ips=(IPConfig(address=ip_interface("10.1.2.2/24")),))
HOST_LOCAL = {"type": "host-local", "subnet": "10.1.2.0/24"}


def bridge_call(config: dict[str, object], arguments: str = "") -> Call:
    return plugin_call({"bridge": "br0", **config}, arguments)


def planned(
    call: Call, lease: Result | None = None, answers: dict[Query, Fact] | None = None
) -> tuple[op.Op, ...]:
    """Return the ops of an ADD; what `answers` leaves out is not there."""
    empty: dict[Query, Fact] = {
        query: () if isinstance(query, AddressesQuery) else None for query in PLUGIN.reads(call)
    }
    return PLUGIN.plan_add(call, Facts({**empty, **(answers or {})}), lease)


def only(ops: tuple[op.Op, ...], kind: type) -> object:
    """Return the one op of its kind."""
    (found,) = [o for o in ops if type(o) is kind]
    return found
