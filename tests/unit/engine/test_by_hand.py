"""Calls by hand: what they bring along counts first, and what they do not is the node's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polypod.engine import by_hand
from polypod.engine.by_hand import KEY
from polypod.errors import InvalidAnnotationError, InvalidConfigError
from polypod.testing.node import CONFIG, Node

BRIDGE = json.dumps({"cniVersion": "1.0.0", "type": "bridge", "bridge": "hand0"})


def call(**given: Any) -> dict[str, object]:
    return {**CONFIG, "name": by_hand.NETWORK, KEY: given}


def test_networks_can_be_named_without_any_pod(node: Node) -> None:
    sandbox = node.sandbox("c1")

    node.add(sandbox, call(networks="mv, br@second"))

    assert {"net1", "second"} <= node.world.sandboxes[sandbox.netns].links.keys()


def test_a_definition_that_is_brought_along_is_used_before_the_nodes_own(node: Node) -> None:
    sandbox = node.sandbox("c1")
    brought = {"namespace": "default", "name": "mv", "config": BRIDGE}

    node.add(sandbox, call(networks="mv", definitions=[brought]))

    assert "hand0" in node.world.host.links


def test_a_pod_that_is_brought_along_needs_no_source(node: Node) -> None:
    sandbox = node.sandbox("c1", namespace="default", pod="hand")
    annotations = {"k8s.v1.cni.cncf.io/networks": "mv", "note": 1}
    pod = {"namespace": "default", "name": "hand", "annotations": annotations}

    node.add(sandbox, call(pods=[pod]))

    (record,) = node.journal.all()
    assert (record.pod_name, record.display_name) == ("hand", "default/mv")


def test_networks_named_by_hand_leave_the_primary_out(node: Node) -> None:
    node.networks.raw = b'{"name": "first", "cniVersion": "1.0.0", "type": "vendor"}'
    sandbox = node.sandbox("c1")

    node.add(sandbox, call(networks="mv"))

    assert [record.display_name for record in node.journal.all()] == ["default/mv"]


def test_a_pod_that_nobody_knows_is_refused(node: Node) -> None:
    sandbox = node.sandbox("c1", namespace="default", pod="nobody")

    with pytest.raises(InvalidConfigError, match="there is no pod default/nobody"):
        node.add(sandbox, call())

    assert node.journal.all() == ()


def test_a_malformed_network_is_refused_with_the_annotations_words(node: Node) -> None:
    with pytest.raises(InvalidAnnotationError):
        node.add(node.sandbox("c1"), call(networks="a b"))


def test_a_runtimes_gc_leaves_what_was_made_by_hand(node: Node) -> None:
    node.add(node.sandbox("c1"), call(networks="mv"))

    node.collect()

    assert len(node.journal.all()) == 1
