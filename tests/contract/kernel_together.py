"""What the engine may expect of a kernel door: many ops in one go, and the truth about each."""

from __future__ import annotations

import pytest
from tests.contract.kernel_lab import MAC, Lab, LabSuite, entered, inside, link_of, macvlan

from polypod.plan import ops
from polypod.plan.facts import (
    AddressesQuery,
    Link,
    LinkQuery,
    RoutesQuery,
    Where,
)
from polypod.plan.outcome import Done, Failed


class TogetherContract(LabSuite):
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
