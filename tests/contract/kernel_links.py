"""What the engine may expect of a kernel door: namespaces, and links made and taken back."""

from __future__ import annotations

import pytest
from tests.contract.kernel_lab import MAC, Lab, LabSuite, entered, inside, link_of, macvlan

from polypod.errors import InvalidNetnsError, PluginError
from polypod.plan import ops
from polypod.plan.facts import (
    AddressesQuery,
    LinkQuery,
    MasterQuery,
    PortQuery,
    RoutesQuery,
    SysctlQuery,
    Where,
)
from polypod.plan.ops import Identity


class LinkContract(LabSuite):
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
