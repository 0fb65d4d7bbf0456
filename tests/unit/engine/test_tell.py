"""Events of an ADD: one for each interface, or one that says why there is none."""

from __future__ import annotations

import dataclasses
import json

import pytest

from polypod.engine import attach
from polypod.engine.doors import Caller
from polypod.errors import ApiError, PolypodError, TryAgainError
from polypod.testing.node import Node
from polypod.testing.source import Told

BRIDGE = json.dumps(
    {
        "cniVersion": "1.0.0",
        "name": "lan",
        "type": "bridge",
        "bridge": "br0",
        "ipam": {"type": "static", "addresses": [{"address": "10.1.0.5/24"}]},
    }
)


@pytest.fixture
def node() -> Node:
    made = Node()
    made.source.add_definition("test", "lan", BRIDGE)
    return made


def test_each_interface_is_told_once_with_its_addresses(node: Node) -> None:
    pod = node.add_pod("test", "p", networks="lan", uid="u1")

    node.add(pod)

    assert node.events.told == [
        Told(
            pod="test/p",
            uid="u1",
            reason="AddedInterface",
            message="Add net1 [10.1.0.5/24] from test/lan",
        )
    ]


def test_an_interface_without_address_is_told_with_none(node: Node) -> None:
    config = {"cniVersion": "1.0.0", "name": "bare", "type": "bridge", "bridge": "br0"}
    node.source.add_definition("test", "bare", json.dumps(config))

    node.add(node.add_pod("test", "p", networks="bare"))

    assert [one.message for one in node.events.told] == ["Add net1 [] from test/bare"]


def test_a_missing_definition_is_told_in_the_references_words(node: Node) -> None:
    pod = node.add_pod("test", "p", networks="none", uid="u1")

    with pytest.raises(PolypodError):
        node.add(pod)

    (told,) = node.events.told
    assert (told.reason, told.uid, told.is_warning) == ("NoNetworkFound", "u1", True)
    assert told.message.startswith(
        "cannot find a network-attachment-definition (none) in namespace (test):"
    )
    assert "; hint: create the NetworkAttachmentDefinition" in told.message


def test_a_failure_is_told_by_its_slug_with_cause_and_hint(node: Node) -> None:
    pod = node.add_pod("test", "p", networks="lan@" + "x" * 40)

    with pytest.raises(PolypodError) as raised:
        node.add(pod)

    (told,) = node.events.told
    assert told.reason == "InvalidAnnotationError" and told.is_warning
    assert told.message == f"{raised.value.cause}; hint: {raised.value.hint}"


def test_a_failure_that_passes_by_itself_is_not_told(node: Node) -> None:
    node.networks.broken = TryAgainError("not ready")

    with pytest.raises(TryAgainError):
        node.add(node.add_pod("test", "p", networks="lan"))

    assert node.events.told == []


def test_a_caller_without_pod_is_told_nothing(node: Node) -> None:
    with pytest.raises(PolypodError):
        node.add(node.sandbox("c1"))

    assert node.events.told == []


def test_a_node_without_events_attaches_all_the_same(node: Node) -> None:
    pod = node.add_pod("test", "p", networks="lan")
    doors = dataclasses.replace(node.doors(), events=None)

    attach.attach(pod.request("ADD"), Caller(), doors)

    assert "net1" in node.world.sandboxes[pod.netns].links


def test_a_status_that_must_be_written_and_is_not_takes_everything_back(node: Node) -> None:
    node.status.broken = ApiError("API server: 403 forbidden", status=403)
    pod = node.add_pod("test", "p", networks="lan")

    with pytest.raises(ApiError):
        node.add(pod)

    assert "net1" not in node.world.sandboxes[pod.netns].links
    assert node.journal.all() == ()
    assert [one.reason for one in node.events.told] == ["ApiServerError"]
