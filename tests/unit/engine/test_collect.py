"""GC and recovery: what nobody owns goes, and nothing else."""

from __future__ import annotations

import json

import msgspec
import pytest

from polypod.engine import collect
from polypod.engine.doors import Caller
from polypod.errors import DecodeError, ForeignError, PolypodError
from polypod.plan.foreign import ForeignCall
from polypod.plan.record import PluginStep
from polypod.testing.node import CONFIG, Node, Sandbox


def added(node: Node, *names: str, networks: str = "mv,br") -> list[Sandbox]:
    pods = [node.add_pod("default", name, networks=networks) for name in names]
    for pod in pods:
        node.add(pod)
    return pods


def known(node: Node) -> set[str]:
    return {record.container_id for record in node.journal.all()}


@pytest.mark.parametrize("key", ["valid-attachments", "attachments"])
def test_a_container_that_is_listed_keeps_all_of_its_interfaces(node: Node, key: str) -> None:
    kept, lost = added(node, "kept", "lost")

    node.collect("kept", key=key)

    assert sorted(node.world.sandboxes[kept.netns].links) == ["lo", "net1", "net2"]
    assert list(node.world.sandboxes[lost.netns].links) == ["lo"]
    assert known(node) == {"kept"}
    assert {owner.partition("\r")[0] for owner in node.pools.held().values()} == {"kept"}
    assert list(node.status.texts) == [("default", "kept")]


def test_another_network_is_not_looked_at(node: Node) -> None:
    (pod,) = added(node, "p")

    node.collect(called="another-network")

    assert known(node) == {"p"}
    assert "net1" in node.world.sandboxes[pod.netns].links


def test_without_a_list_nothing_is_said(node: Node) -> None:
    added(node, "p")

    node.collect(key="something-else")

    assert known(node) == {"p"}


def test_an_empty_list_says_that_all_are_gone(node: Node) -> None:
    pods = added(node, "a", "b")
    for pod in pods:
        node.world.destroy(pod.netns)

    node.collect()

    assert known(node) == set()
    assert node.pools.held() == {}


@pytest.mark.parametrize("entry", ["text", 1, None, {"containerID": 1}])
def test_a_list_that_is_no_list_of_attachments_removes_nothing(node: Node, entry: object) -> None:
    added(node, "p")
    sandbox = Sandbox(container_id="", netns="")
    config = {**CONFIG, "cni.dev/valid-attachments": [entry]}

    with pytest.raises(DecodeError):
        collect.collect(sandbox.request("GC", config), Caller(), node.doors())
    assert known(node) == {"p"}


def test_one_that_cannot_be_removed_does_not_keep_the_others(node: Node) -> None:
    def script(call: ForeignCall) -> bytes:
        if call.command == "DEL" and call.container_id == "a":
            raise ForeignError("a is busy")
        return b"{}" if call.command == "ADD" else b""

    node.foreign.add("vendor", script)
    added(node, "a", "b", networks="other")

    with pytest.raises(ForeignError, match="a is busy"):
        node.collect()

    assert known(node) == {"a"}


def unfinished(node: Node, container_id: str, *, network: str) -> None:
    """Make a record as it is when the daemon dies in the middle of an ADD."""
    for record in node.journal.of_container(container_id):
        if record.network == network:
            steps = tuple(
                msgspec.structs.replace(step, identities=())
                if isinstance(step, PluginStep)
                else step
                for step in record.steps
            )
            node.journal.put(msgspec.structs.replace(record, result=b"", steps=steps))


def recovered(node: Node) -> int:
    return collect.recover(node.doors())


def test_a_pod_is_complete_or_absent_after_a_crash(node: Node) -> None:
    whole, half = added(node, "whole", "half")
    unfinished(node, "half", network="br")

    count = recovered(node)

    assert count == 1
    assert known(node) == {"whole"}
    assert sorted(node.world.sandboxes[whole.netns].links) == ["lo", "net1", "net2"]
    assert list(node.world.sandboxes[half.netns].links) == ["lo"]
    assert len(node.pools.held()) == 2


def test_an_add_that_had_only_begun_leaves_nothing_after_a_crash(node: Node) -> None:
    (pod,) = added(node, "p", networks="mv")
    (record,) = node.journal.all()
    node.world.remove(node.world.sandboxes[pod.netns], "net1")
    node.journal.put(msgspec.structs.replace(record, result=b"", steps=record.steps[:1]))

    assert recovered(node) == 1
    assert known(node) == set()
    assert node.pools.held() == {}


def test_recovery_after_a_reboot_frees_the_leases(node: Node) -> None:
    added(node, "p")
    unfinished(node, "p", network="mv")
    node.reboot("boot-2")

    assert recovered(node) == 1
    assert known(node) == set()
    assert node.pools.held() == {}


def test_recovery_with_nothing_to_do_does_nothing(node: Node) -> None:
    added(node, "p")

    assert recovered(node) == 0
    assert known(node) == {"p"}


def test_what_recovery_cannot_remove_waits_for_the_next_time(node: Node) -> None:
    node.foreign.add("vendor")
    added(node, "a", "b", networks="other")
    for name in ("a", "b"):
        unfinished(node, name, network="other")

    def script(call: ForeignCall) -> bytes:
        if call.container_id == "a":
            raise ForeignError("a is busy")
        return b""

    node.foreign.add("vendor", script)
    with pytest.raises(PolypodError, match="a is busy"):
        recovered(node)
    left = known(node)
    node.foreign.add("vendor")

    assert left == {"a"}
    assert recovered(node) == 1
    assert known(node) == set()


def test_the_networks_of_a_pod_are_told_apart_by_their_records(node: Node) -> None:
    added(node, "p", networks="mv,mv")

    assert [(r.network, r.ifname, json.loads(r.result)["ips"][0]["address"]) for r in
            node.journal.all()] == [
        ("mv", "net1", "10.1.0.2/24"), ("mv", "net2", "10.1.0.3/24"),
    ]  # fmt: skip
