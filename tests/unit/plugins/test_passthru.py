"""Passthru: nothing is done, nothing is told."""

from __future__ import annotations

from polypod.cni.result import Interface, Result
from polypod.plan.facts import Facts
from polypod.plugins._shape import Call
from polypod.plugins.passthru import Passthru

CALL = Call(
    container_id="c",
    ifname="net3",
    netns="/n",
    network="chain",
    cni_version="1.0.0",
    config={},
    prev_result=Result(interfaces=(Interface(name="eth0"),)),
)


def test_it_wants_nothing_and_does_nothing() -> None:
    plugin, facts = Passthru(), Facts({})

    assert plugin.reads(CALL) == plugin.check_reads(CALL) == plugin.reads_after(CALL, ()) == ()
    assert plugin.plan_add(CALL, facts, None) == plugin.plan_del(CALL) == ()
    plugin.check(CALL, facts)


def test_its_result_is_empty_whatever_came_before() -> None:
    assert Passthru().result(CALL, (), Facts({}), None) == Result()
