"""Pods that cannot start yet: the runtime is told why, nothing is left, and later they start."""

from __future__ import annotations

import pytest
from tests.e2e import traces
from tests.e2e.networks import bridge
from tests.e2e.node import Node
from tests.e2e.view import running

from polypod.errors import RpcError


def test_a_missing_definition_is_named_and_the_pod_starts_once_it_is_there(node: Node) -> None:
    pod = node.pod("early", "left,late,right")
    before = traces.read(node)

    with pytest.raises(RpcError) as refused:
        node.runtime.run_pod(pod)

    said = str(refused.value)
    assert 'plugin type="polypod" failed (add)' in said
    assert "network-attachment-definition (late) in namespace (default)" in said
    assert "hint: " in said
    traces.assert_none(node, before)

    node.network("late", bridge(50))
    with running(node, pod) as view:
        assert set(view.links()) == {"lo", "eth0", "net1", "net2", "net3"}


def test_a_later_network_that_fails_takes_the_earlier_ones_along(node: Node) -> None:
    node.network("no-master", {"type": "macvlan", "master": "absent0"})
    pod = node.pod("half", "left,no-master")
    before = traces.read(node)

    with pytest.raises(RpcError, match="no-master"):
        node.runtime.run_pod(pod)

    traces.assert_none(node, before)


def test_an_address_that_is_taken_is_refused_and_free_after_its_owner_has_gone(node: Node) -> None:
    asked = [{"name": "chain", "ips": ["10.51.0.99/24"]}]
    first, second = node.pod("owner", asked), node.pod("heir", asked)

    with running(node, first), pytest.raises(RpcError, match=r"10\.51\.0\.99"):
        node.runtime.run_pod(second)
    with running(node, second) as view:
        heirs = view.links()["net1"].addresses

    assert [str(address) for address in heirs] == ["10.51.0.99/24"]


def test_a_malformed_annotation_is_refused_with_a_hint(node: Node) -> None:
    pod = node.pod("garbled", '[{"name": "left", "interface": 7}]')

    with pytest.raises(RpcError) as refused:
        node.runtime.run_pod(pod)

    assert "interface: a string is expected, got a number" in str(refused.value)
    assert "hint: correct the pod's annotation" in str(refused.value)
