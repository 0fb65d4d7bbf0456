"""Folding: carried out stage by stage, the ops of a pod have the effect of their sequence."""

from __future__ import annotations

from typing import TypeAlias

from hypothesis import given
from hypothesis import strategies as st

from polypod.engine import execute
from polypod.errors import PluginError, PolypodError
from polypod.plan import fold, ops
from polypod.plan.facts import LinkQuery, Where
from polypod.plan.ops import Op
from polypod.plan.outcome import Done, Failed
from polypod.testing.node import Node

Part: TypeAlias = tuple[str, int]
NETNS = "/run/netns/p"
parts = st.lists(
    st.tuples(st.sampled_from(["macvlan", "bridge", "bare", "tuned"]), st.integers(0, 1)),
    min_size=1,
    max_size=5,
)


def plan(number: int, kind: str, bridge: int) -> tuple[Op, ...]:
    """Return what one network's plugins would plan."""
    name, address = f"net{number}", f"10.{number}.0.2/24"
    configure = ops.Configure(
        ifname=name,
        addresses=(address,),
        routes=(ops.RouteSpec(dst=f"172.16.{number}.0/24", gw=f"10.{number}.0.1"),),
        sysctls=(ops.SysctlSpec(key=f"net/ipv4/conf/{name}/arp_notify", value="1"),),
    )
    make = ops.AddMacvlan(ifname=name, parent="up0", mac=f"02:00:00:00:01:{number:02x}")
    if kind == "macvlan":
        return (make, configure)
    if kind == "bare":
        return (make, ops.Configure(ifname=name))
    if kind == "tuned":
        change = ops.SetLink(where=Where.SANDBOX, name=name, mtu=1400)
        key = "net/ipv4/conf/all/rp_filter"
        write = ops.WriteSysctl(where=Where.SANDBOX, key=key, value=str(number))
        return (make, configure, change, write)
    master, far = f"br{bridge}", f"veth{number}"
    return (
        ops.AddBridge(name=master),
        ops.AddVeth(ifname=name, host_name=far, master=master, mac=f"02:00:00:00:02:{number:02x}"),
        ops.SetPortVlans(port=far, pvid=number),
        configure,
        ops.AddGateway(link=master, address=f"10.{number}.0.1/24"),
        ops.EnableForwarding(family=4),
        ops.AddMasquerade(network="n", container_id="c", ifname=name, addresses=(address,)),
        ops.WaitOperUp(name=far),
    )


def planned(chosen: list[Part]) -> list[Op]:
    return [op for number, part in enumerate(chosen, 1) for op in plan(number, *part)]


def a_node() -> Node:
    node = Node()
    node.world.parent("up0")
    node.world.sandbox(NETNS)
    return node


def state(node: Node) -> object:
    space = node.world.sandboxes[NETNS]
    spaces = (node.world.host, space)
    links = [
        sorted((one.name, one.kind, one.mtu, one.up, bool(one.master)) for one in s.links.values())
        for s in spaces
    ]
    return node.world.seen(), links, [s.sysctls for s in spaces], node.world.host.ports


@given(parts)
def test_every_op_has_one_place(chosen: list[Part]) -> None:
    sequence = planned(chosen)

    stages = fold.fold(sequence)

    assert sorted(place for stage in stages for place in stage.places) == list(range(len(sequence)))
    assert all(list(stage.places) == sorted(stage.places) for stage in stages)
    assert all(fold.kind_of(sequence[p]) is stage.kind for stage in stages for p in stage.places)


@given(parts)
def test_links_are_made_in_the_order_of_the_networks(chosen: list[Part]) -> None:
    sequence = planned(chosen)

    places = [place for stage in fold.fold(sequence) for place in stage.places]

    makers = [place for place in places if isinstance(sequence[place], ops.LINK_MAKERS)]
    assert makers == sorted(makers)


@given(parts)
def test_the_stages_have_the_effect_of_the_sequence(chosen: list[Part]) -> None:
    sequence = planned(chosen)
    one_by_one, folded = a_node(), a_node()

    with one_by_one.kernel.enter(sandbox=NETNS, host=None) as spaces:
        execute.run(sequence, spaces, one_by_one.doors())
    with folded.kernel.enter(sandbox=NETNS, host=None) as spaces:
        outcome = execute.together(sequence, spaces, folded.doors())

    assert outcome.is_complete
    assert state(folded) == state(one_by_one)


@given(parts, st.integers(0, 40))
def test_what_took_effect_is_told(chosen: list[Part], at: int) -> None:
    """Some op is refused: what is told to be done is there, and undoing it leaves nothing."""
    sequence = planned(chosen)
    node = a_node()
    for op in sequence:  # what is shared stays, so it is there before
        if isinstance(op, (ops.AddBridge, ops.AddGateway)):
            with node.kernel.enter(sandbox=NETNS, host=None) as spaces:
                spaces.apply(op)
    before = node.world.seen()
    node.kernel.refuse[type(sequence[at % len(sequence)])] = PluginError("no")  # type: ignore[index]

    with node.kernel.enter(sandbox=NETNS, host=None) as spaces:
        outcome = execute.together(sequence, spaces, node.doors())
        for op, effect in zip(sequence, outcome.effects, strict=True):
            if isinstance(op, ops.LINK_MAKERS):
                query = LinkQuery(Where.SANDBOX, op.ifname)
                found = spaces.look((query,)).link(query.where, query.name)
                assert (found is not None) is isinstance(effect, Done)
        for op, effect in reversed(list(zip(sequence, outcome.effects, strict=True))):
            if isinstance(effect, Done) or (isinstance(effect, Failed) and effect.is_partial):
                spaces.undo(op, effect.identity)  # type: ignore[arg-type]

    assert not outcome.is_complete
    assert any(
        isinstance(effect, Failed) and isinstance(effect.error, PolypodError)
        for effect in outcome.effects
    )
    assert node.world.seen() == before
