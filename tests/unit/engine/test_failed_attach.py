"""ADD: when it fails it leaves nothing behind, and says what went wrong."""

from __future__ import annotations

import pytest
from tests.unit.engine.failing import fails, left

from polypod.errors import ForeignError, InvalidNetnsError, PluginError
from polypod.plan import ops
from polypod.plan.foreign import ForeignCall
from polypod.testing.node import CONFIG, Node

NOTHING: dict[str, object] = {"leases": {}, "records": (), "status": {}, "backups": {}}


@pytest.mark.parametrize(
    "op",
    [
        ops.AddMacvlan,
        ops.Configure,
        ops.AddBridge,
        ops.AddVeth,
        ops.AddMasquerade,
        ops.WaitOperUp,
        ops.SetLink,
        ops.WriteSysctl,
    ],
)
def test_a_refused_op_leaves_nothing_behind(node: Node, op: type[ops.KernelOp]) -> None:
    pod = node.add_pod("default", "p", networks="tuned,br,mv")
    keeper = node.add_pod("default", "keeper", networks="br")
    node.add(keeper)  # the bridge is there: shared, and not ours to take away
    before = left(node)
    node.kernel.refuse[op] = PluginError("the kernel says no")

    fails(node, pod, "the kernel says no")

    assert left(node) == before


def test_a_refused_gateway_leaves_nothing_behind_but_the_bridge(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="tuned,br,mv")
    before = left(node)
    node.kernel.refuse[ops.AddGateway] = PluginError("the kernel says no")

    fails(node, pod, "the kernel says no")

    after = left(node)
    assert {**after, "world": None} == {**before, "world": None}
    assert list(node.world.sandboxes[pod.netns].links) == ["lo"]
    assert "br0" in node.world.host.links


@pytest.mark.parametrize("networks", ["mv,bad", "br,mv,bad", "other,tuned,bad"])
def test_a_later_network_takes_the_earlier_ones_back(node: Node, networks: str) -> None:
    node.source.add_definition(
        "default", "bad", '{"cniVersion":"1.0.0","type":"macvlan","master":"none"}'
    )
    pod = node.add_pod("default", "p", networks=networks)

    error = fails(node, pod, "Link not found")

    assert error.cause.startswith('[default/p/:bad]: error adding container to network "bad": ')
    assert {key: value for key, value in left(node).items() if key != "world"} == NOTHING
    assert list(node.world.sandboxes[pod.netns].links) == ["lo"]
    assert node.world.rules == set()


def test_a_foreign_plugin_that_ran_is_taken_back_and_one_that_did_not_is_not(node: Node) -> None:
    node.source.add_definition("default", "gone", '{"cniVersion":"1.0.0","type":"not-there"}')
    pod = node.add_pod("default", "p", networks="other,gone")

    fails(node, pod, 'failed to find plugin "not-there"')

    assert [(call.command, call.type) for call in node.foreign.calls] == [
        ("ADD", "vendor"),
        ("DEL", "vendor"),
    ]


def test_a_failing_undo_is_told_and_kept_for_the_delete(node: Node) -> None:
    def script(call: ForeignCall) -> bytes:
        raise ForeignError("still busy" if call.command == "DEL" else "no room")

    pod = node.add_pod("default", "p", networks="mv,other")
    node.foreign.add("vendor", script)

    error = fails(node, pod, "no room")

    assert error.__notes__ == ["undo: still busy"]
    assert [record.ifname for record in node.journal.all()] == ["net2"]
    node.foreign.add("vendor")
    node.delete(pod)
    assert node.journal.all() == ()


def test_an_answer_that_the_callers_version_cannot_say_leaves_nothing_behind(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="other")
    before = left(node)

    with pytest.raises(PluginError, match="no valid IP addresses"):
        node.add(pod, {**CONFIG, "cniVersion": "0.2.0"})

    assert left(node) == before
    assert node.foreign.told("DEL") == ["vendor"]


def test_two_networks_that_fail_together_are_both_told(node: Node) -> None:
    node.kernel.refuse[ops.AddMacvlan] = PluginError("no")
    node.kernel.refuse[ops.AddVeth] = ForeignError("nor this")
    pod = node.add_pod("default", "p", networks="mv,br")

    error = fails(node, pod, '"mv": no')

    assert "nor this" in error.__notes__


def test_a_door_that_breaks_in_the_middle_leaves_nothing_behind(node: Node) -> None:
    """Nobody knows what a send did that was never answered, so all of it is taken back."""
    pod = node.add_pod("default", "p", networks="mv,fixed")
    before = left(node)

    def breaks(stop: str) -> None:
        if stop == "kernel.configure_links 2":
            raise InvalidNetnsError("the namespace cannot be entered")

    node.trace.watch = breaks

    fails(node, pod, "the namespace cannot be entered")

    node.trace.watch = None
    assert left(node) == before


def test_a_defect_in_the_middle_is_cleaned_up_by_the_delete(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv,tuned,other")

    def breaks(stop: str) -> None:
        if stop == "kernel.apply SetLink":
            raise KeyError(stop)

    node.trace.watch = breaks
    with pytest.raises(KeyError):
        node.add(pod)
    node.trace.watch = None

    node.delete(pod)

    assert {key: value for key, value in left(node).items() if key != "world"} == NOTHING
    assert list(node.world.sandboxes[pod.netns].links) == ["lo"]
