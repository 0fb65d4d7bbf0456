"""Deleting a pod's links as one group, and what must not go with them."""

from __future__ import annotations

import errno

import pytest
from tests.kernel.case import BRIDGE, PARENT
from tests.kernel.world import World

from polypod.errors import KernelError
from polypod.kernel import links, netlink, netns
from polypod.plan import ops
from polypod.plan.facts import Where
from polypod.plan.ops import Identity

HOST, SANDBOX = Where.HOST, Where.SANDBOX
Made = list[tuple[str, Identity | None]]


@pytest.fixture
def made(world: World) -> Made:
    """Give the sandbox two pairs and a macvlan, and return what their makers said."""
    world.ip(HOST, BRIDGE, "link set br0 up", *PARENT)
    wanted = (
        ops.AddVeth(ifname="net1", host_name="veth1", master="br0"),
        ops.AddVeth(ifname="net2", host_name="veth2"),
        ops.AddMacvlan(ifname="net3", parent="up0"),
    )
    with world.enter() as namespaces:
        return [(op.ifname, namespaces.apply(op)) for op in wanted]


def delete(world: World, made: Made) -> None:
    with world.enter() as namespaces:
        namespaces.delete_links(made)


def names(world: World, where: Where = SANDBOX) -> set[str]:
    return {link["ifname"] for link in world.ask(where, "ip", "-j", "link")} - {"lo"}


def test_all_go_and_so_do_their_ends_in_the_host(world: World, made: Made) -> None:
    delete(world, made)

    assert names(world) == set()
    assert names(world, HOST) == {"br0", "up0", "up1"}


def test_deleting_twice_is_no_error(world: World, made: Made) -> None:
    delete(world, made)
    delete(world, made)

    assert names(world) == set()


def test_only_those_that_are_named_go(world: World, made: Made) -> None:
    delete(world, made[:2])

    assert names(world) == {"net3"}


@pytest.mark.parametrize(
    "line",
    [
        f"link set lo group {links.OUR_GROUP}",
        f"link add other group {links.OUR_GROUP} type veth peer name other-far",
    ],
    ids=["loopback, which cannot be deleted", "a pair of the pod's own"],
)
def test_a_stranger_with_our_group_number_stays_and_spoils_nothing(
    line: str, world: World, made: Made
) -> None:
    world.ip(SANDBOX, line)
    before = names(world)

    delete(world, made)

    assert names(world) == before - {"net1", "net2", "net3"}


def test_the_same_group_number_in_the_host_is_another_group(world: World, made: Made) -> None:
    world.ip(HOST, f"link set up1 group {links.OUR_GROUP}")

    delete(world, made)

    assert names(world, HOST) == {"br0", "up0", "up1"}


def test_a_link_that_was_made_again_is_not_ours(world: World, made: Made) -> None:
    world.ip(
        SANDBOX,
        "link del net3",
        f"link add net3 group {links.OUR_GROUP} type veth peer name net3-far",
    )

    delete(world, made)

    assert names(world) == {"net3", "net3-far"}


def test_without_an_identity_our_group_tells_what_is_ours(world: World, made: Made) -> None:
    world.ip(SANDBOX, "link set net2 group default")

    delete(world, [(name, None) for name, _ in made])

    assert names(world) == {"net2"}


def test_a_mac_that_tuning_changed_does_not_keep_a_link(world: World, made: Made) -> None:
    world.ip(SANDBOX, "link set net1 address 02:00:00:00:99:99")

    delete(world, made)

    assert names(world) == set()


def test_without_a_sandbox_there_is_nothing_to_delete(world: World, made: Made) -> None:
    with world.enter_host_only() as namespaces:
        namespaces.delete_links(made)

    assert names(world) == {"net1", "net2", "net3"}


@pytest.mark.parametrize(
    ("group", "number"),
    [(0, errno.EPERM), (links.OUR_GROUP, errno.EOPNOTSUPP)],
    ids=["the default group", "a group with loopback"],
)
def test_the_kernel_refuses_such_groups_whole(
    group: int, number: int, world: World, made: Made
) -> None:
    """Why the door looks at the whole group before it deletes one."""
    world.ip(SANDBOX, f"link set lo group {links.OUR_GROUP}")
    body = links.header() + netlink.u32(links.IFLA_GROUP, group)
    with netns.inside(world.fds[SANDBOX]):
        socket = netlink.Rtnetlink()

    with pytest.raises(KernelError) as refused:
        socket.one(links.RTM_DELLINK, 0, body)

    socket.close()
    assert refused.value.errno == number
    assert names(world) == {name for name, _ in made}
