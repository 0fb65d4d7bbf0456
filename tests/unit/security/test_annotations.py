"""A hostile annotation: a coded error, an event with a hint, and nothing half attached."""

from __future__ import annotations

import json

import pytest
from tests.unit.security.hostile import made, refused

from polypod.engine.resolve import DEFAULT_NETWORK


def one(**selection: object) -> str:
    return json.dumps([{"name": "good", **selection}])


ANNOTATIONS = {
    "no JSON": '[{"name":',
    "a list of numbers": "[1,2]",
    "a list of lists": "[[]]",
    "null in a list": "[null]",
    "an object": '{"name":"good"}',
    "no name": "[{}]",
    "name is a number": '[{"name":5}]',
    "name is a path": "../../etc/passwd",
    "name has spaces": "go od",
    "name is upper case": "GOOD",
    "name is endless": "x" * 5000,
    "too many parts": "a/b/c",
    "only signs": "@,/,@",
    "interface is endless": "good@" + "x" * 5000,
    "interface has a slash": one(interface="../eth0"),
    "interface is a dot": one(interface=".."),
    "interface is a pattern": one(interface="net%d"),
    "interface has a line end": one(interface="a\nb"),
    "interface is a number": one(interface=5),
    "interface of the primary": one(interface="eth0"),
    "one name twice": "good@same,good@same",
    "mac is a text": one(mac="hello"),
    "mac has arguments": one(mac="02:00:00:00:00:01;K8S_POD_NAMESPACE=kube-system"),
    "ips is a text": one(ips="10.0.0.1"),
    "ips are words": one(ips=["hello"]),
    "ips have arguments": one(ips=["10.0.0.1;IgnoreUnknown=1"]),
    "default-route is a word": one(**{"default-route": ["hello"]}),
    "default-route is a number": one(**{"default-route": 5}),
    "ports are a text": one(portMappings="80"),
    "bandwidth is a text": one(bandwidth="all"),
    "cni-args is a list": one(**{"cni-args": ["a"]}),
    "nested for ever": "[" * 100_000,
    "nested and named": '[{"name":"good","cni-args":' + '{"a":' * 3000 + "1" + "}" * 3000 + "}]",
    "a lone surrogate": '[{"name":"\\ud800"}]',
    "null bytes": "good\0",
    "thousands": ",".join(["none"] * 5000),
}


@pytest.mark.parametrize("networks", ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_nothing_is_attached_and_the_pod_is_told_why(networks: str) -> None:
    node = made()
    pod = node.add_pod("test", "p", networks=networks, uid="u1")

    error = refused(node, pod)

    assert len(error.cause) < 2100 and error.cause.isprintable()


@pytest.mark.parametrize(
    "text", ["a,b", "[1]", "[{}]", "../x", "a/b/c", "", " ", "[", "x" * 5000, "good@a/b"]
)
def test_a_default_network_that_makes_no_sense_is_refused(text: str) -> None:
    node = made()
    pod = node.add_pod("test", "p", annotations={DEFAULT_NETWORK: text}, uid="u1")

    refused(node, pod)
