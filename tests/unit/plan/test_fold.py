"""Folding, as a reader would check it: which ops share a stage, and which facts go stale."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from polypod.plan import fold, ops
from polypod.plan.facts import (
    AddressesQuery,
    LinkQuery,
    MasterQuery,
    PortQuery,
    Query,
    RoutesQuery,
    SysctlQuery,
    Where,
)
from polypod.plan.ops import Op


def bridged(number: int, bridge: str = "br0") -> list[Op]:
    name, far = f"net{number}", f"veth{number}"
    return [
        ops.AddBridge(name=bridge),
        ops.AddVeth(ifname=name, host_name=far, master=bridge),
        ops.Configure(ifname=name, addresses=(f"10.{number}.0.2/24",)),
        ops.AddGateway(link=bridge, address=f"10.{number}.0.1/24"),
        ops.WaitOperUp(name=far),
    ]


def macvlan(number: int, where: Where = Where.HOST) -> list[Op]:
    name = f"net{number}"
    return [
        ops.AddMacvlan(ifname=name, parent="up0", parent_where=where),
        ops.Configure(ifname=name),
    ]


def shown(sequence: Sequence[Op]) -> list[str]:
    """Return each stage as its kind and the names of its ops."""
    return [
        f"{stage.kind.value}: {' '.join(type(sequence[p]).__name__ for p in stage.places)}"
        for stage in fold.fold(sequence)
    ]


def stage_of(sequence: Sequence[Op], op: Op) -> tuple[int, int]:
    """Return where an op is carried out: its stage, and its place there."""
    place = sequence.index(op)
    return next(
        (number, stage.places.index(place))
        for number, stage in enumerate(fold.fold(sequence))
        if place in stage.places
    )


def test_each_op_comes_after_what_it_needs() -> None:
    bridge, pair, configure, gateway, wait = sequence = bridged(1)

    assert stage_of(sequence, bridge) < stage_of(sequence, pair)
    assert stage_of(sequence, pair) < stage_of(sequence, configure)
    assert stage_of(sequence, bridge) < stage_of(sequence, gateway)
    assert stage_of(sequence, wait) == (len(shown(sequence)) - 1, 0)


def test_one_network_is_carried_out_as_it_comes() -> None:
    assert shown(bridged(1)) == [
        "singly: AddBridge",
        "links: AddVeth",
        "settings: Configure",
        "singly: AddGateway",
        "waits: WaitOperUp",
    ]
    assert shown([]) == []


def test_four_networks_take_as_few_sends_as_one() -> None:
    sequence = [*bridged(1), *bridged(2, "br1"), *macvlan(3), *macvlan(4)]

    stages = shown(sequence)

    assert len(stages) == len(shown(bridged(1)))
    assert "links: AddVeth AddVeth AddMacvlan AddMacvlan" in stages
    assert "settings: Configure Configure Configure Configure" in stages
    assert stages[-1] == "waits: WaitOperUp WaitOperUp"


def test_a_link_whose_parent_is_in_the_sandbox_comes_after_its_parent() -> None:
    child = ops.AddMacvlan(ifname="net2", parent="net1", parent_where=Where.SANDBOX)

    assert shown([*macvlan(1), child, ops.Configure(ifname="net2")]) == [
        "links: AddMacvlan",
        "settings: Configure",
        "singly: AddMacvlan",
        "settings: Configure",
    ]


def test_the_gateway_of_a_vlan_comes_after_its_bridge() -> None:
    gateway = ops.AddVlanGateway(name="br0.5", peer="vethp", bridge="br0", vlan=5)
    address = ops.AddGateway(link="br0.5", address="10.1.0.1/24")
    bridge, pair = bridged(1)[:2]
    sequence: list[Op] = [bridge, pair, gateway, address]

    places = [stage_of(sequence, op) for op in (bridge, gateway, address)]

    assert places == sorted(places)


def test_what_may_reach_anything_is_passed_by_nothing() -> None:
    write = ops.WriteSysctl(where=Where.SANDBOX, key="net/ipv4/ip_forward", value="1")

    assert shown([*macvlan(1), write, *macvlan(2)]) == [
        "links: AddMacvlan",
        "settings: Configure",
        "singly: WriteSysctl",
        "links: AddMacvlan",
        "settings: Configure",
    ]


@pytest.mark.parametrize(
    ("query", "is_stale"),
    [
        (LinkQuery(Where.HOST, "br0"), True),
        (LinkQuery(Where.HOST, "br1"), False),
        (LinkQuery(Where.SANDBOX, "br0"), False),
        (LinkQuery(Where.SANDBOX, "net1"), True),
        (AddressesQuery(Where.HOST, "br0"), True),
        (AddressesQuery(Where.SANDBOX, "net2"), False),
        (MasterQuery(Where.HOST, "br0"), True),
        (MasterQuery(Where.HOST, "up0"), False),
        (MasterQuery(Where.HOST, ""), False),
        (MasterQuery(Where.SANDBOX, ""), True),
        (PortQuery("veth1"), True),
        (PortQuery("veth2"), False),
        (RoutesQuery(Where.SANDBOX), True),
        (SysctlQuery(Where.SANDBOX, "net/ipv4/ip_forward"), True),
    ],
    ids=str,
)
def test_a_plan_makes_the_facts_it_touches_stale(query: Query, is_stale: bool) -> None:  # noqa: FBT001 - one row of the table
    planned = bridged(1)

    assert fold.Changes(planned).touch(query) is is_stale
    assert not fold.Changes().touch(query)
    kept = fold.still_true({query: None}, planned)
    assert (query not in kept) is is_stale


def test_what_reaches_anything_makes_every_fact_stale() -> None:
    write = ops.WriteSysctl(where=Where.SANDBOX, key="net/ipv4/ip_forward", value="1")

    assert fold.Changes((write,)).touch(LinkQuery(Where.HOST, "br7"))
