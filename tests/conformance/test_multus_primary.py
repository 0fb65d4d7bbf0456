"""The primary: the default-network annotation, and its configuration: rows C and D.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference's inline
delegate, or its clusterNetwork, is the configuration that our daemon is given as --primary.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conformance.multus_node import CAPABLE, ENVIRONMENT, refused, resolved, told, types

from polypod.cni import lists
from polypod.cni import request as cni_request
from polypod.engine.resolve import DEFAULT_NETWORK, resolve
from polypod.nad import definition as nad
from polypod.nad.definition import Definition
from polypod.store.networks import NetworkFiles
from polypod.testing.node import CONFIG, Node

# C: the default-network annotation.


def test_c02_the_annotation_replaces_the_primary(node: Node) -> None:
    (primary,) = resolved(node, default="net1")

    assert (primary.display_name, types((primary,))) == ("kube-system/net1", ["mynet1"])
    assert (primary.ifname, primary.is_primary) == ("eth0", True)


def test_c03_the_annotation_may_name_its_namespace(node: Node) -> None:
    node.networks.raw = None
    pod = node.add_pod("test", "p", annotations={DEFAULT_NETWORK: "kube-system/net1"})

    node.add(pod)
    node.delete(pod)

    assert [(call.command, call.type, call.ifname) for call in node.foreign.calls] == [
        ("ADD", "mynet1", "eth0"),
        ("DEL", "mynet1", "eth0"),
    ]


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        pytest.param("", 'does not have "network" as key', id="C05"),
        pytest.param("[]", "no network is specified", id="C06"),
        pytest.param("a,b", "more than one default network is specified: a,b", id="two"),
    ],
)
def test_a_default_network_is_exactly_one(node: Node, annotation: str, text: str) -> None:
    refused(lambda: resolved(node, default=annotation), text)


def test_c08_the_annotation_may_name_the_primarys_interface(node: Node) -> None:
    (primary,) = resolved(node, default='[{"name":"net1","interface":"foo0"}]')

    assert primary.ifname == "foo0"


def test_c09_a_primarys_address_and_mac_are_arguments_only(node: Node) -> None:
    node.source.add_definition("kube-system", "net1", json.dumps({**CAPABLE, "name": "net1"}))
    asked = '[{"name":"net1","ips":["10.0.0.9/24"],"mac":"02:00:00:00:00:01"}]'

    (primary,) = resolved(node, default=asked)

    assert primary.arguments.endswith("MAC=02:00:00:00:00:01;IP=10.0.0.9/24")
    assert "runtimeConfig" not in told(primary)


def test_c11_without_a_source_of_pods_the_primary_is_all(node: Node) -> None:
    request = node.sandbox("c1", namespace="test", pod="p").request("ADD")

    assert types(resolve(request, None, node.doors())) == ["mynet2"]


def test_c12_without_a_primary_and_without_a_pod_there_is_nothing_to_attach(node: Node) -> None:
    node.networks.raw = None
    request = node.sandbox("c1").request("ADD")

    refused(
        lambda: resolve(request, None, node.doors()),
        "must have either Kubernetes config or delegates",
    )


# D: loading the primary's configuration.


def test_d01_the_runtimes_port_mappings_are_the_primarys(node: Node) -> None:
    node.networks.raw = json.dumps(
        {"name": "p", "type": "weave-net", "capabilities": {"portMappings": True}}
    ).encode()
    mappings = [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]

    (primary,) = resolved(node, config={**CONFIG, "runtimeConfig": {"portMappings": mappings}})

    assert types((primary,)) == ["weave-net"]
    assert primary.is_primary
    assert told(primary)["runtimeConfig"] == {"portMappings": mappings}


def stdin_of(text: str) -> object:
    return cni_request.parse(ENVIRONMENT, text.encode())


def list_of(text: str) -> object:
    return lists.parse_list(text.encode())


def definition_of(text: str) -> object:
    return nad.network_config(Definition(namespace="a", name="b", config=text))


def arguments_of(text: str) -> object:
    return nad.merge_cni_args(text.encode(), {"a": 1})


@pytest.mark.parametrize(
    "load",
    [
        pytest.param(stdin_of, id="D02"),
        pytest.param(list_of, id="D02-list"),
        pytest.param(definition_of, id="D02-definition"),
        pytest.param(arguments_of, id="D02-arguments"),
    ],
)
def test_a_missing_brace_is_an_error(load: Callable[[str], object]) -> None:
    text = '{"name":"n","type":"weave-net","plugins":[{"type":"a"}'

    refused(lambda: load(text), "Input data was truncated")


def test_d07_a_previous_result_without_version_loads() -> None:
    stdin = json.dumps(
        {
            "name": "n",
            "type": "polypod",
            "prevResult": {"ips": [{"version": "4", "address": "10.0.0.5/32", "interface": 2}]},
        }
    )
    request = cni_request.parse(ENVIRONMENT, stdin.encode())

    assert request.config.cni_version == "0.1.0"
    assert request.config.previous() is not None


def test_d11_a_primary_needs_a_type(tmp_path: Path) -> None:
    (tmp_path / "p.conf").write_text('{"name":"n","_not_type":"weave-net"}', encoding="utf-8")

    refused(
        NetworkFiles(tmp_path / "p.conf", None).primary, "must have the 'type' or 'plugin' field"
    )


def test_d19_a_primary_may_be_a_list(node: Node) -> None:
    node.networks.raw = b'{"name":"weave-list","plugins":[{"type":"weave"}]}'

    (primary,) = resolved(node)

    assert (primary.display_name, types((primary,))) == ("weave-list", ["weave"])
