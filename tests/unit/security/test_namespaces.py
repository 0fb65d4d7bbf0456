"""No pod reaches a network of another namespace, however it spells it."""

from __future__ import annotations

import json

import pytest
from tests.unit.security.hostile import GOOD, made, refused

from polypod.engine.resolve import DEFAULT_NETWORK
from polypod.errors import InvalidAnnotationError, NoNetworkError
from polypod.testing.node import Node

WAYS = {
    "with a slash": "other/good",
    "with an interface": "other/good@net1",
    "among good ones": "good,other/good,good@x",
    "as JSON": json.dumps([{"name": "good", "namespace": "other"}]),
    "as JSON with a slash": json.dumps([{"name": "other/good"}]),
    "as JSON, keys in capitals": json.dumps([{"NAME": "good", "NAMESPACE": "other"}]),
    "the namespace of the system": "kube-system/good",
    "up and down": "test/../other/good",
    "escaped": "other%2fgood",
    "by another slash": "other\u2215good",
    "with white space": " other / good ",
    "with a null byte": "test\0/../other/good",
}


def with_others() -> Node:
    node = made()
    for namespace in ("other", "kube-system"):
        node.source.add_definition(namespace, "good", json.dumps(GOOD))
    return node


def asked(node: Node) -> set[str]:
    """Return the namespaces of which a definition was asked for."""
    stops = [stop.split(" ", 1) for stop in node.trace.stops]
    return {text[1].partition("/")[0] for text in stops if text[0] == "source.definition"}


@pytest.mark.parametrize("networks", WAYS.values(), ids=WAYS.keys())
def test_the_networks_annotation_stays_at_home(networks: str) -> None:
    node = with_others()
    pod = node.add_pod("test", "p", networks=networks, uid="u1")

    error = refused(node, pod)

    assert isinstance(error, InvalidAnnotationError | NoNetworkError)
    assert asked(node) <= {"test"}


@pytest.mark.parametrize(
    "text", ["other/good", json.dumps([{"name": "good", "namespace": "other"}]), "other/good@eth0"]
)
def test_the_default_network_annotation_reaches_the_namespace_made_for_it_and_no_other(
    text: str,
) -> None:
    node = with_others()
    pod = node.add_pod("test", "p", annotations={DEFAULT_NETWORK: text}, uid="u1")

    error = refused(node, pod)

    assert isinstance(error, InvalidAnnotationError)
    assert asked(node) == set()


def test_a_namespace_that_is_told_twice_is_one_namespace() -> None:
    node = with_others()
    told = '[{"name":"good","namespace":"test","Namespace":"other"}]'

    node.add(node.add_pod("test", "p", networks=told))

    assert asked(node) == {"test"}


def test_a_pod_named_like_another_namespace_is_still_at_home() -> None:
    node = with_others()
    node.source.add_definition("test", "good", json.dumps({**GOOD, "bridge": "br-home"}))

    node.add(node.add_pod("test", "other", networks="good"))

    assert "br-home" in node.world.host.links


@pytest.mark.parametrize("networks", WAYS.values(), ids=WAYS.keys())
def test_the_runtimes_arguments_do_not_move_a_pod(networks: str) -> None:
    """A pod cannot write CNI_ARGS: what it puts into fields that end there stays one value."""
    node = with_others()
    selection = {"name": "good", "mac": f"02:00:00:00:00:01;K8S_POD_NAMESPACE={networks}"}
    pod = node.add_pod("test", "p", networks=json.dumps([selection]), uid="u1")

    refused(node, pod)

    assert asked(node) <= {"test"}
