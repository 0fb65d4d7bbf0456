"""The kernel refuses: its own words reach the error, at the message they belong to."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests import features
from tests.kernel.case import BRIDGE, PARENT
from tests.kernel.world import World, differences

from polypod.errors import KernelError, PluginError, PolypodError, UnsupportedError
from polypod.kernel import links, netlink, netns, routes
from polypod.kernel.netlink import Message, Rtnetlink
from polypod.plan import ops
from polypod.plan.facts import LinkQuery, Where
from polypod.plan.ops import KernelOp, RouteSpec

HOST, SANDBOX = Where.HOST, Where.SANDBOX
NEW = netlink.NLM_F_CREATE | netlink.NLM_F_EXCL


@pytest.fixture
def host(world: World) -> Iterator[Rtnetlink]:
    """Return a socket in the host."""
    with netns.inside(world.fds[HOST]):
        opened = Rtnetlink()
    yield opened
    opened.close()


def refused(world: World, op: KernelOp) -> PolypodError:
    with world.enter() as namespaces, pytest.raises(PolypodError) as caught:
        namespaces.apply(op)
    return caught.value


def test_the_extended_text_of_the_kernel_is_in_the_hint(world: World) -> None:
    world.ip(HOST, *PARENT, "link set up0 mtu 1400")

    error = refused(world, ops.AddMacvlan(ifname="net1", parent="up0", mtu=60000))
    other = refused(
        world,
        ops.Configure(ifname="lo", routes=(RouteSpec(dst="10.9.0.0/16", gw="192.0.2.1"),)),
    )

    assert "invalid argument" in error.cause or "numerical result out of range" in error.cause
    assert other.hint == "the kernel says: Nexthop has invalid gateway"


def test_each_of_several_messages_has_its_own_answer(host: Rtnetlink) -> None:
    bridge = links.bridge("br0", 0, "", vlan_filtering=False)

    made, again, nobody, asked = host.many(
        [
            Message(links.RTM_NEWLINK, NEW, bridge),
            Message(links.RTM_NEWLINK, NEW, bridge),
            Message(links.RTM_GETLINK, 0, links.by_name("nobody")),
            Message(links.RTM_GETLINK, 0, links.by_name("br0")),
        ]
    )

    assert made == []
    assert isinstance(again, KernelError) and again.cause == "file exists"
    assert isinstance(nobody, KernelError) and nobody.cause == "no such device"
    assert isinstance(asked, list) and links.parse(asked[0].body).name == "br0"


def test_a_refused_message_does_not_stop_the_next(host: Rtnetlink, world: World) -> None:
    world.ip(HOST, BRIDGE, "link set br0 up")
    index = links.index_of(host.one(links.RTM_GETLINK, 0, links.by_name("br0"))[0].body)
    unreachable = routes.route(index, RouteSpec(dst="10.9.0.0/16", gw="192.0.2.1"))

    first, route, last = host.many(
        [
            Message(routes.RTM_NEWADDR, NEW, routes.address(index, "10.1.0.1/24")),
            Message(routes.RTM_NEWROUTE, NEW, unreachable),
            Message(routes.RTM_NEWADDR, NEW, routes.address(index, "10.2.0.1/24")),
        ]
    )

    assert first == [] and last == []
    assert isinstance(route, KernelError)
    (shown,) = world.ask(HOST, "ip", "-j", "-4", "addr", "show", "dev", "br0")
    assert [a["local"] for a in shown["addr_info"]] == ["10.1.0.1", "10.2.0.1"]


def test_a_thousand_refusals_and_a_thousand_answers_fit(host: Rtnetlink) -> None:
    wanted = [
        Message(links.RTM_GETLINK, 0, links.by_name(name))
        for number in range(1000)
        for name in ("lo", f"no{number}")
    ]

    answers = host.many(wanted)

    assert all(isinstance(answer, list) and len(answer) == 1 for answer in answers[::2])
    assert all(isinstance(answer, KernelError) for answer in answers[1::2])


def test_a_thousand_routes_go_with_one_configure(world: World) -> None:
    wanted = tuple(
        RouteSpec(dst=f"10.{number // 250}.{number % 250}.0/24", gw="192.168.0.1")
        for number in range(1000)
    )
    with world.enter() as namespaces:
        namespaces.apply(ops.AddVeth(ifname="net1", host_name="veth1"))
        namespaces.apply(ops.Configure(ifname="net1", addresses=("192.168.0.2/24",), routes=wanted))

    shown = world.ask(SANDBOX, "ip", "-j", "route")
    assert len(shown) == 1001


def test_what_changes_all_the_time_is_read_whole(host: Rtnetlink, world: World) -> None:
    """NLM_F_DUMP_INTR: links come and go in the middle of dumps of several parts."""
    world.ip(HOST, *(f"link add old{number} type bridge" for number in range(60)))
    old = {f"old{number}" for number in range(60)}
    question = links.header() + netlink.u32(links.IFLA_EXT_MASK, 8)
    interrupted, enough = 0, threading.Event()

    def churn() -> None:
        with netns.inside(world.fds[HOST]):
            socket = Rtnetlink()
        while not enough.is_set():
            socket.one(links.RTM_NEWLINK, NEW, links.bridge("new", 0, "", vlan_filtering=False))
            index = links.index_of(socket.one(links.RTM_GETLINK, 0, links.by_name("new"))[0].body)
            socket.one(links.RTM_DELLINK, 0, links.header(index))
        socket.close()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(400):
            _, was_interrupted = host._dump_once(links.RTM_GETLINK, question)
            interrupted += was_interrupted
            if interrupted >= 3:
                break
        heard = [host.dump(links.RTM_GETLINK, question) for _ in range(5)]
    finally:
        enough.set()
        thread.join()

    assert interrupted > 0
    for dump in heard:
        names = [links.name_of(message.body) for message in dump]
        assert old <= set(names) and len(names) == len(set(names))


def test_a_filter_that_the_kernel_cannot_apply_is_refused_not_ignored(host: Rtnetlink) -> None:
    """NETLINK_GET_STRICT_CHK: without it, a dump with a wrong header answers everything."""
    with pytest.raises(KernelError, match="invalid argument") as refusal:
        host.dump(links.RTM_GETLINK, links.header(flags=1, change=1))

    assert "Invalid values in header" in refusal.value.hint


def test_a_dump_of_one_links_addresses_holds_no_other(host: Rtnetlink, world: World) -> None:
    world.ip(HOST, BRIDGE, "link set br0 up", "addr add 10.1.0.1/24 dev br0")
    index = links.index_of(host.one(links.RTM_GETLINK, 0, links.by_name("br0"))[0].body)

    heard = host.dump(routes.RTM_GETADDR, routes.addresses_question(index))

    assert [routes.parse_address(message.body)[0] for message in heard] == [index]


@pytest.mark.parametrize(
    ("op", "cause"),
    [
        (ops.AddVeth(ifname="net1", host_name="veth1", master="none"), 'failed to lookup "none"'),
        (ops.AddMacvlan(ifname="net1", parent="none"), 'failed to lookup master "none"'),
        (ops.AddIpvlan(ifname="net1", parent="none"), 'failed to lookup master "none"'),
        (ops.AddVeth(ifname="net1", host_name="veth1", mac="no"), "invalid MAC address"),
        (ops.AddVeth(ifname="net1", host_name="veth1", mtu=3), "failed to make veth pair"),
        (ops.AddVeth(ifname="lo", host_name="veth1"), "already exists"),
        (ops.Configure(ifname="none"), 'failed to lookup "none"'),
        (ops.AddGateway(link="none", address="10.1.0.1/24"), 'could not lookup "none"'),
        (ops.AddBridge(name="lo"), "already exists but is not a bridge"),
        (ops.SetPortVlans(port="none", pvid=5), 'failed to lookup "none"'),
        (ops.SetLink(where=SANDBOX, name="none", mtu=1400), 'failed to get "none"'),
        (ops.WriteSysctl(where=SANDBOX, key="net/none", value="1"), "no such file"),
        (ops.WriteSysctl(where=SANDBOX, key="net/ipv4/ip_forward", value="x"), "invalid argument"),
        (ops.WriteSysctl(where=SANDBOX, key="kernel/hostname", value="x"), "invalid net sysctl"),
        (ops.WriteSysctl(where=SANDBOX, key="net/../kernel/x", value="x"), "invalid net sysctl"),
        (ops.WaitOperUp(name="none"), "bridge port in error state: notpresent"),
        (ops.ReplaceDefaultRoute(family=4, ifname="none", gateway="10.0.0.1"), "failed to lookup"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else value,
)
def test_a_refused_op_says_why_and_changes_nothing(op: KernelOp, cause: str, world: World) -> None:
    before = world.state()

    error = refused(world, op)

    assert cause in error.cause and "\n" not in error.cause
    assert differences(before, world.state()) == []


@pytest.mark.needs("vrf")
def test_a_pair_that_is_only_half_made_is_taken_away(world: World) -> None:
    """Port flags come after the pair; a master that is no bridge refuses them."""
    world.ip(HOST, "link add vrf0 type vrf table 9", "link set vrf0 up")
    before = world.state()

    error = refused(world, ops.AddVeth(ifname="n1", host_name="v1", master="vrf0", hairpin=True))

    assert "port's flags" in error.cause
    assert differences(before, world.state()) == []


@pytest.mark.needs("bridge-vlan")
def test_a_gateway_of_a_vlan_that_is_only_half_made_is_taken_away(world: World) -> None:
    world.ip(HOST, f"{BRIDGE} vlan_filtering 1", "link set br0 up")
    before = world.state()

    refused(world, ops.AddVlanGateway(name="br0.7", peer="veth7", bridge="br0", vlan=5000))

    assert differences(before, world.state()) == []


def test_a_link_that_takes_only_some_of_the_settings_gets_its_former_ones_back(
    world: World,
) -> None:
    mac = "02:00:00:00:00:01"
    world.ip(SANDBOX, f"link add eth0 address {mac} type veth peer name far0")
    before = world.state()

    error = refused(
        world,
        ops.SetLink(
            where=SANDBOX,
            name="eth0",
            mac="02:00:00:00:00:02",
            promisc=True,
            mtu=1 << 30,
            previous=ops.SetLink(where=SANDBOX, name="eth0", mac=mac, promisc=False, mtu=1500),
        ),
    )

    assert 'failed to set MTU of "eth0"' in error.cause
    assert error.hint == "the kernel says: mtu greater than device maximum"
    assert differences(before, world.state()) == []


@pytest.mark.parametrize(
    ("feature", "op"),
    [
        ("ipvlan", ops.AddIpvlan(ifname="net1", parent="up0")),
        ("bridge-vlan", ops.AddBridge(name="br1", vlan_filtering=True)),
        ("bridge-vlan", ops.SetPortVlans(port="veth1", pvid=5)),
    ],
    ids=["ipvlan", "bridge", "port"],
)
def test_what_the_kernel_lacks_is_told_as_such(feature: str, op: KernelOp, world: World) -> None:
    world.ip(HOST, *PARENT, BRIDGE, "link set br0 up")
    with world.enter() as namespaces:
        namespaces.apply(ops.AddVeth(ifname="net0", host_name="veth1", master="br0"))
        try:
            namespaces.apply(op)
        except UnsupportedError as error:
            refusal: UnsupportedError | None = error
        else:
            refusal = None
        facts = namespaces.look((LinkQuery(SANDBOX, "net1"), LinkQuery(HOST, "br1")))

    if features.is_here(feature):
        assert refusal is None
    else:
        assert refusal is not None and "kernel lacks" in refusal.hint and refusal.code == 999
        assert facts.link(SANDBOX, "net1") is None and facts.link(HOST, "br1") is None


def test_an_unknown_parent_is_a_plugin_error_not_an_unsupported_one(world: World) -> None:
    assert type(refused(world, ops.AddIpvlan(ifname="net1", parent="none"))) is PluginError
