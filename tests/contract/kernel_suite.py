"""What the engine may expect of a kernel door: one suite, for the fake and for the real one.

A subclass gives the fixture `lab`. test_kernel_fake.py has the fake's; tests/kernel has the real
one's, which needs a network namespace of its own.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

import pytest

from polypod.engine.doors import Kernel, Namespaces
from polypod.errors import InvalidNetnsError, PluginError
from polypod.plan import ops
from polypod.plan.facts import (
    AddressesQuery,
    Link,
    LinkQuery,
    MasterQuery,
    PortQuery,
    RoutesQuery,
    SysctlQuery,
    Where,
)
from polypod.plan.ops import Identity
from polypod.plan.outcome import Done, Failed

MAC = "02:11:22:33:44:55"


class Lab(Protocol):
    """Two namespaces, `host` and one sandbox, and a door to them."""

    @property
    def kernel(self) -> Kernel: ...

    @property
    def host(self) -> int | None:
        """What `enter` takes as host."""
        ...

    @property
    def sandbox(self) -> str:
        """The sandbox's path."""
        ...

    def parent(self, name: str) -> None:
        """Make a device in the host that a macvlan can have as its parent."""
        ...

    def destroy(self) -> None:
        """Delete the sandbox."""
        ...


@contextmanager
def entered(lab: Lab, sandbox: str | None = None) -> Generator[Namespaces]:
    path = lab.sandbox if sandbox is None else sandbox
    with lab.kernel.enter(sandbox=path, host=lab.host) as spaces:
        yield spaces


def link_of(spaces: Namespaces, where: Where, name: str) -> Link | None:
    return spaces.look([LinkQuery(where, name)]).link(where, name)


def inside(spaces: Namespaces, name: str) -> Link:
    found = link_of(spaces, Where.SANDBOX, name)
    assert found is not None
    return found


def macvlan(name: str = "net1", **given: object) -> ops.AddMacvlan:
    return ops.AddMacvlan(ifname=name, parent="up0", **given)  # type: ignore[arg-type]


class KernelContract:
    @pytest.fixture
    def lab(self) -> Lab:
        raise NotImplementedError

    def test_a_sandbox_that_is_gone_looks_empty_and_takes_nothing(self, lab: Lab) -> None:
        queries = (
            LinkQuery(Where.SANDBOX, "lo"),
            AddressesQuery(Where.SANDBOX, "lo"),
            RoutesQuery(Where.SANDBOX),
            SysctlQuery(Where.SANDBOX, "net/ipv4/ip_forward"),
        )
        lab.parent("up0")

        with entered(lab, "/run/netns/there-is-none") as spaces:
            facts = spaces.look(queries)
            with pytest.raises(InvalidNetnsError, match="no such file or directory"):
                spaces.apply(macvlan())

            assert spaces.cookie == 0
            assert not spaces.is_same
        assert [facts.answers[query] for query in queries] == [None, (), (), None]

    def test_an_undo_without_a_sandbox_is_no_error(self, lab: Lab) -> None:
        lab.destroy()

        with entered(lab) as spaces:
            spaces.undo(macvlan(), Identity(index=7))
            spaces.undo(ops.SetLink(where=Where.SANDBOX, name="net1", mtu=1400), None)
            spaces.delete_links([("net1", Identity(index=7)), ("net2", None)])

    def test_a_sandbox_has_one_cookie_of_its_own(self, lab: Lab) -> None:
        with entered(lab) as spaces:
            first = spaces.cookie
        with entered(lab) as spaces:
            again = spaces.cookie

        assert first == again != 0

    def test_a_bridge_is_made_once_and_outlives_its_undo(self, lab: Lab) -> None:
        op = ops.AddBridge(name="br0", mtu=1400)

        with entered(lab) as spaces:
            for _ in range(2):
                spaces.apply(op)
            made = link_of(spaces, Where.HOST, "br0")
            spaces.undo(op, None)
            kept = link_of(spaces, Where.HOST, "br0")

        assert made is not None
        assert (made.kind, made.mtu, made.up) == ("bridge", 1400, True)
        assert kept is not None

    def test_a_bridge_is_refused_where_something_else_has_its_name(self, lab: Lab) -> None:
        lab.parent("up0")

        with (
            entered(lab) as spaces,
            pytest.raises(PluginError, match='"up0" already exists but is not a bridge'),
        ):
            spaces.apply(ops.AddBridge(name="up0"))

    def test_a_pair_is_enslaved_and_goes_with_its_undo(self, lab: Lab) -> None:
        op = ops.AddVeth(ifname="net1", host_name="vethaa", master="br0", mac=MAC, hairpin=True)

        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            identity = spaces.apply(op)
            near, far = inside(spaces, "net1"), link_of(spaces, Where.HOST, "vethaa")
            bridge = link_of(spaces, Where.HOST, "br0")
            port = spaces.look([PortQuery("vethaa")]).port("vethaa")
            for _ in range(2):
                spaces.undo(op, identity)
            left = [link_of(spaces, Where.HOST, "vethaa"), link_of(spaces, Where.SANDBOX, "net1")]

        assert identity == Identity(index=near.index, mac=MAC)
        assert near.mac == MAC
        assert far is not None
        assert bridge is not None
        assert (far.master, far.up) == (bridge.index, True)
        assert port is not None
        assert port.hairpin
        assert left == [None, None]

    def test_a_pair_is_refused_when_its_name_is_taken(self, lab: Lab) -> None:
        op = ops.AddVeth(ifname="net1", host_name="vethaa")

        with entered(lab) as spaces:
            spaces.apply(op)
            with pytest.raises(PluginError, match="already exists"):
                spaces.apply(op)

    def test_a_pair_is_refused_without_its_bridge(self, lab: Lab) -> None:
        with entered(lab) as spaces:
            with pytest.raises(PluginError, match='failed to lookup "br9": Link not found'):
                spaces.apply(ops.AddVeth(ifname="net1", host_name="vethaa", master="br9"))
            assert link_of(spaces, Where.HOST, "vethaa") is None

    def test_a_macvlan_is_as_it_was_asked_for(self, lab: Lab) -> None:
        lab.parent("up0")
        op = macvlan(mode="private", mac=MAC.upper(), mtu=1300)

        with entered(lab) as spaces:
            identity = spaces.apply(op)
            made = inside(spaces, "net1")
            for _ in range(2):
                spaces.undo(op, identity)
            left = link_of(spaces, Where.SANDBOX, "net1")

        assert (made.kind, made.mode, made.mac, made.mtu) == ("macvlan", "private", MAC, 1300)
        assert identity == Identity(index=made.index, mac=MAC)
        assert left is None

    def test_a_macvlan_is_refused_without_its_parent(self, lab: Lab) -> None:
        with (
            entered(lab) as spaces,
            pytest.raises(PluginError, match='failed to lookup master "up0": Link not found'),
        ):
            spaces.apply(macvlan())

    def test_a_macvlan_is_refused_when_its_name_is_taken(self, lab: Lab) -> None:
        lab.parent("up0")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            with pytest.raises(PluginError, match='failed to rename macvlan to "net1": file exist'):
                spaces.apply(macvlan())

    def test_the_parent_is_the_default_routes_device_when_none_is_named(self, lab: Lab) -> None:
        with entered(lab) as spaces:
            assert spaces.look([MasterQuery(Where.HOST, "")]).master(Where.HOST, "") is None

    def test_somebody_elses_link_of_the_same_name_is_left_alone(self, lab: Lab) -> None:
        lab.parent("up0")
        op = macvlan()

        with entered(lab) as spaces:
            identity = spaces.apply(op)
            assert identity is not None
            spaces.undo(op, Identity(index=identity.index + 1000, mac=identity.mac))
            spaces.undo(ops.AddVeth(ifname="lo", host_name="x"), None)
            spaces.delete_links([("net1", Identity(index=identity.index + 1000)), ("lo", None)])

            assert inside(spaces, "net1").index == identity.index
            assert inside(spaces, "lo").index == 1

    def test_links_go_as_a_group(self, lab: Lab) -> None:
        lab.parent("up0")

        with entered(lab) as spaces:
            made = [(name, spaces.apply(macvlan(name))) for name in ("net1", "net2", "net3")]
            spaces.delete_links(made[:2])
            between = [link_of(spaces, Where.SANDBOX, name) is None for name, _ in made]
            spaces.delete_links(made)
            after = [link_of(spaces, Where.SANDBOX, name) is None for name, _ in made]

        assert between == [True, True, False]
        assert after == [True, True, True]

    def test_a_link_is_configured_in_one_go(self, lab: Lab) -> None:
        lab.parent("up0")
        key = "net/ipv4/conf/net1/arp_notify"
        op = ops.Configure(
            ifname="net1",
            addresses=("10.1.2.3/24",),
            routes=(
                ops.RouteSpec(dst="0.0.0.0/0", gw="10.1.2.1"),
                ops.RouteSpec(dst="10.9.0.0/16", gw="10.1.2.2", priority=7),
            ),
            sysctls=(ops.SysctlSpec(key=key, value="1"),),
        )

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            spaces.apply(op)
            facts = spaces.look(
                [
                    LinkQuery(Where.SANDBOX, "net1"),
                    AddressesQuery(Where.SANDBOX, "net1"),
                    RoutesQuery(Where.SANDBOX),
                    SysctlQuery(Where.SANDBOX, key),
                ]
            )
            spaces.undo(op, None)

        link = facts.link(Where.SANDBOX, "net1")
        routes = facts.routes(Where.SANDBOX)
        assert link is not None
        assert link.up
        assert "10.1.2.3/24" in [a.address for a in facts.addresses(Where.SANDBOX, "net1")]
        assert [(r.gw, r.device) for r in routes if r.dst == "0.0.0.0/0"] == [("10.1.2.1", "net1")]
        assert [(r.gw, r.priority) for r in routes if r.dst == "10.9.0.0/16"] == [("10.1.2.2", 7)]
        assert "10.1.2.0/24" in [route.dst for route in routes]
        assert facts.sysctl(Where.SANDBOX, key) == "1"

    def test_a_gateway_out_of_reach_is_refused(self, lab: Lab) -> None:
        lab.parent("up0")
        far = ops.RouteSpec(dst="0.0.0.0/0", gw="192.0.2.1")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            with pytest.raises(PluginError, match=r"failed to add route .*unreachable"):
                spaces.apply(
                    ops.Configure(ifname="net1", addresses=("10.1.2.3/24",), routes=(far,))
                )

    def test_an_address_that_is_there_is_refused(self, lab: Lab) -> None:
        lab.parent("up0")
        op = ops.Configure(ifname="net1", addresses=("10.1.2.3/24",))

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            spaces.apply(op)
            with pytest.raises(PluginError, match=r'failed to add IP addr .* to "net1": file exis'):
                spaces.apply(op)

    def test_nothing_is_configured_without_the_link(self, lab: Lab) -> None:
        with (
            entered(lab) as spaces,
            pytest.raises(PluginError, match='failed to lookup "net1": Link not found'),
        ):
            spaces.apply(ops.Configure(ifname="net1"))

    def test_a_links_attributes_change_and_come_back(self, lab: Lab) -> None:
        lab.parent("up0")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            before = inside(spaces, "net1")
            op = ops.SetLink(
                where=Where.SANDBOX,
                name="net1",
                mac=MAC,
                mtu=1400,
                promisc=True,
                previous=ops.SetLink(
                    where=Where.SANDBOX,
                    name="net1",
                    mac=before.mac,
                    mtu=before.mtu,
                    promisc=False,
                ),
            )
            spaces.apply(op)
            changed = inside(spaces, "net1")
            for _ in range(2):
                spaces.undo(op, None)
            after = inside(spaces, "net1")

        assert (changed.mac, changed.mtu, changed.promisc) == (MAC, 1400, True)
        assert (after.mac, after.mtu, after.promisc) == (before.mac, before.mtu, False)

    def test_a_link_that_is_not_there_cannot_be_set(self, lab: Lab) -> None:
        with (
            entered(lab) as spaces,
            pytest.raises(PluginError, match='failed to get "net9": Link not found'),
        ):
            spaces.apply(ops.SetLink(where=Where.SANDBOX, name="net9", mtu=1400))

    def test_a_sysctl_changes_and_comes_back(self, lab: Lab) -> None:
        key = "net/ipv4/conf/all/rp_filter"
        op = ops.WriteSysctl(where=Where.SANDBOX, key=key, value="2", previous="0")

        with entered(lab) as spaces:
            spaces.apply(op)
            changed = spaces.look([SysctlQuery(Where.SANDBOX, key)]).sysctl(Where.SANDBOX, key)
            for _ in range(2):
                spaces.undo(op, None)
            after = spaces.look([SysctlQuery(Where.SANDBOX, key)]).sysctl(Where.SANDBOX, key)

        assert (changed, after) == ("2", "0")

    def test_deleting_a_link_twice_is_fine(self, lab: Lab) -> None:
        lab.parent("up0")

        with entered(lab) as spaces:
            spaces.apply(macvlan())
            for _ in range(2):
                spaces.apply(ops.DeleteLink(ifname="net1"))

            assert link_of(spaces, Where.SANDBOX, "net1") is None

    def test_a_gateway_address_is_given_once_and_replaces_others(self, lab: Lab) -> None:
        query = AddressesQuery(Where.HOST, "br0")

        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            for _ in range(2):
                spaces.apply(ops.AddGateway(link="br0", address="10.1.0.1/24"))
            first = spaces.look([query]).addresses(Where.HOST, "br0")
            spaces.apply(ops.AddGateway(link="br0", address="10.1.1.1/24", remove=("10.1.0.1/24",)))
            then = spaces.look([query]).addresses(Where.HOST, "br0")

        assert [one.address for one in first if "." in one.address] == ["10.1.0.1/24"]
        assert [one.address for one in then if "." in one.address] == ["10.1.1.1/24"]

    def test_forwarding_is_switched_on_and_stays(self, lab: Lab) -> None:
        op = ops.EnableForwarding(family=4)
        query = SysctlQuery(Where.HOST, "net/ipv4/ip_forward")

        with entered(lab) as spaces:
            for _ in range(2):
                spaces.apply(op)
            spaces.undo(op, None)

            assert spaces.look([query]).sysctl(Where.HOST, query.key) == "1"

    def test_the_default_route_moves(self, lab: Lab) -> None:
        lab.parent("up0")
        default = ops.RouteSpec(dst="0.0.0.0/0", gw="10.1.0.1")

        with entered(lab) as spaces:
            for name, net, routes in (("net1", 1, (default,)), ("net2", 2, ())):
                spaces.apply(macvlan(name))
                spaces.apply(
                    ops.Configure(ifname=name, addresses=(f"10.{net}.0.2/24",), routes=routes)
                )
            for _ in range(2):
                spaces.apply(
                    ops.ReplaceDefaultRoute(
                        family=4, drop=("net1", "net2"), ifname="net2", gateway="10.2.0.1"
                    )
                )
            table = spaces.look([RoutesQuery(Where.SANDBOX)]).routes(Where.SANDBOX)

        found = [(route.gw, route.device) for route in table if route.dst == "0.0.0.0/0"]
        assert found == [("10.2.0.1", "net2")]

    def test_a_port_that_is_up_is_waited_for(self, lab: Lab) -> None:
        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            spaces.apply(ops.AddVeth(ifname="net1", host_name="vethaa", master="br0"))
            spaces.apply(ops.Configure(ifname="net1"))
            spaces.apply(ops.WaitOperUp(name="vethaa"))
            found = link_of(spaces, Where.HOST, "vethaa")

        assert found is not None
        assert found.operstate == "up"

    def test_a_port_has_the_vlans_it_was_given(self, lab: Lab) -> None:
        op = ops.SetPortVlans(port="vethaa", pvid=100, tagged=(101, 102))

        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0", vlan_filtering=True))
            spaces.apply(ops.AddVeth(ifname="net1", host_name="vethaa", master="br0"))
            for _ in range(2):
                spaces.apply(op)
            port = spaces.look([PortQuery("vethaa")]).port("vethaa")

        assert port is not None
        assert (port.pvid, port.vlans) == (100, (100, 101, 102))

    def test_links_are_made_in_one_go(self, lab: Lab) -> None:
        lab.parent("up0")
        makers = (
            macvlan("net1", mac=MAC),
            ops.AddVeth(ifname="net2", host_name="vethaa", master="br0"),
            macvlan("net3"),
        )

        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            outcome = spaces.make_links(makers)
            made = [inside(spaces, maker.ifname) for maker in makers]
            far = link_of(spaces, Where.HOST, "vethaa")
            told = {
                query: fact
                for query, fact in outcome.heard.items()
                if isinstance(query, LinkQuery) and isinstance(fact, Link)
            }
            asked = {query: link_of(spaces, query.where, query.name) for query in told}

        assert outcome.is_complete
        effects = [effect for effect in outcome.effects if isinstance(effect, Done)]
        assert [one.identity.index if one.identity else 0 for one in effects] == [
            link.index for link in made
        ]
        assert made[0].mac == MAC
        assert far is not None
        assert far.up
        # What was heard on the way is what a question would have told.
        for query, fact in told.items():
            later = asked[query]
            assert later is not None
            assert (fact.name, fact.index, fact.mac) == (later.name, later.index, later.mac)

    @pytest.mark.parametrize("wrong", ["parent", "name"])
    def test_of_links_that_are_refused_the_truth_is_told(self, lab: Lab, wrong: str) -> None:
        lab.parent("up0")
        bad = ops.AddMacvlan(ifname="net2", parent="none") if wrong == "parent" else macvlan("net1")
        makers = (macvlan("net1"), bad, macvlan("net3"))

        with entered(lab) as spaces:
            effects = spaces.make_links(makers).effects
            there = [link_of(spaces, Where.SANDBOX, name) for name in ("net1", "net3")]

        assert isinstance(effects[1], Failed)
        for effect, link in zip((effects[0], effects[2]), there, strict=True):
            assert isinstance(effect, Done) is (link is not None)
            if isinstance(effect, Done) and link is not None:
                assert effect.identity is not None
                assert effect.identity.index == link.index

    def test_links_are_configured_in_one_go(self, lab: Lab) -> None:
        lab.parent("up0")
        default = ops.RouteSpec(dst="0.0.0.0/0", gw="10.2.0.1")
        configures = (
            ops.Configure(ifname="net1", addresses=("10.1.0.2/24",)),
            ops.Configure(ifname="net2", addresses=("10.2.0.2/24",), routes=(default,)),
        )

        with entered(lab) as spaces:
            spaces.make_links((macvlan("net1"), macvlan("net2")))
            outcome = spaces.configure_links(configures)
            facts = spaces.look(
                [
                    AddressesQuery(Where.SANDBOX, "net1"),
                    AddressesQuery(Where.SANDBOX, "net2"),
                    RoutesQuery(Where.SANDBOX),
                ]
            )

        assert outcome.is_complete
        for number in (1, 2):
            found = facts.addresses(Where.SANDBOX, f"net{number}")
            assert f"10.{number}.0.2/24" in [one.address for one in found]
        table = facts.routes(Where.SANDBOX)
        assert [route.device for route in table if route.dst == "0.0.0.0/0"] == ["net2"]

    def test_a_setting_that_is_refused_is_told_where_it_stands(self, lab: Lab) -> None:
        lab.parent("up0")
        far = ops.RouteSpec(dst="0.0.0.0/0", gw="192.0.2.1")
        configures = (
            ops.Configure(ifname="net1", addresses=("10.1.0.2/24",)),
            ops.Configure(ifname="net2", addresses=("10.2.0.2/24",), routes=(far,)),
        )

        with entered(lab) as spaces:
            spaces.make_links((macvlan("net1"), macvlan("net2")))
            outcome = spaces.configure_links(configures)

        assert isinstance(outcome.effects[1], Failed)
        assert "unreachable" in outcome.effects[1].error.cause
        assert not isinstance(outcome.effects[0], Failed)

    def test_ports_are_waited_for_together(self, lab: Lab) -> None:
        with entered(lab) as spaces:
            spaces.apply(ops.AddBridge(name="br0"))
            for name, far in (("net1", "vethaa"), ("net2", "vethbb")):
                spaces.apply(ops.AddVeth(ifname=name, host_name=far, master="br0"))
                spaces.apply(ops.Configure(ifname=name))
            waits = (ops.WaitOperUp(name="vethaa"), ops.WaitOperUp(name="vethbb"))
            outcome = spaces.wait_all_up(waits)
            states = [link_of(spaces, Where.HOST, wait.name) for wait in waits]

        assert outcome.is_complete
        assert [link.operstate for link in states if link is not None] == ["up", "up"]
