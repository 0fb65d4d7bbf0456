"""CNI_ARGS and runtimeConfig, which plugins are told of: rows F.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them.
"""

from __future__ import annotations

import json

import pytest
from tests.conformance.multus_node import (
    CAPABLE,
    ENVIRONMENT,
    EVERYTHING,
    refused,
    resolved,
    told,
    types,
)

from polypod.cni import fields
from polypod.cni import request as cni_request
from polypod.engine.resolve import NETWORKS, pod_arguments, resolve
from polypod.testing.node import CONFIG, Node


# F: CNI_ARGS and runtimeConfig.
def given(arguments: str) -> str:
    environment = {**ENVIRONMENT, "CNI_ARGS": arguments}
    request = cni_request.parse(environment, b'{"cniVersion":"1.0.0","name":"n","type":"polypod"}')
    return pod_arguments(request, None)


def test_f01_a_capability_of_the_runtime_reaches_the_primary(node: Node) -> None:
    node.networks.raw = json.dumps({**CAPABLE, "name": "p"}).encode()
    mappings = [{"hostPort": 8080, "containerPort": 80}, {"hostPort": 1, "containerPort": 2}]
    pod = node.add_pod("test", "testpod")

    node.add(pod, {**CONFIG, "runtimeConfig": {"portMappings": mappings}})

    (call,) = node.foreign.calls
    assert node.foreign.stdin(0)["runtimeConfig"] == {"portMappings": mappings}
    assert (call.container_id, call.netns) == (pod.container_id, pod.netns)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            "K8S_POD_NAME=dummy;K8S_POD_NAMESPACE=namespacedummy;"
            "K8S_POD_INFRA_CONTAINER_ID=123456789;K8S_POD_UID=aaaaa;BLAHBLAH=foo=bar",
            "IgnoreUnknown=true;K8S_POD_NAMESPACE=namespacedummy;K8S_POD_NAME=dummy;"
            "K8S_POD_INFRA_CONTAINER_ID=123456789;K8S_POD_UID=aaaaa;BLAHBLAH=foo=bar",
            id="F02",
        ),
        pytest.param(
            "K8S_POD_NAME=dummy;K8S_POD_NAMESPACE=namespacedummy;"
            "K8S_POD_INFRA_CONTAINER_ID=123456789;BLAHBLAH=foo=bar",
            "IgnoreUnknown=true;K8S_POD_NAMESPACE=namespacedummy;K8S_POD_NAME=dummy;"
            "K8S_POD_INFRA_CONTAINER_ID=123456789;K8S_POD_UID=;BLAHBLAH=foo=bar",
            id="F04",
        ),
        pytest.param(
            "IgnoreUnknown=1;K8S_POD_NAME=testpod",
            "IgnoreUnknown=true;K8S_POD_NAMESPACE=;K8S_POD_NAME=testpod;"
            "K8S_POD_INFRA_CONTAINER_ID=;K8S_POD_UID=",
            id="F05",
        ),
    ],
)
def test_plugins_get_the_pods_keys_once_and_in_order(arguments: str, expected: str) -> None:
    assert given(arguments) == expected


def test_f07_a_primary_chosen_by_annotation_gets_no_capabilities_of_it(node: Node) -> None:
    node.source.add_definition("kube-system", "net1", json.dumps({**CAPABLE, "name": "net1"}))

    (primary,) = resolved(node, default=json.dumps([EVERYTHING]))

    assert "runtimeConfig" not in told(primary)


def test_f08_a_secondary_gets_what_its_selection_asks_for_and_nothing_of_the_pods(
    node: Node,
) -> None:
    node.source.add_definition("test", "net1", json.dumps({**CAPABLE, "name": "net1"}))
    base = {"portMappings": [{"hostPort": 1, "containerPort": 2}], "dns": {"servers": ["10.0.0.1"]}}
    config = {**CONFIG, "runtimeConfig": base}

    _, one = resolved(node, json.dumps([EVERYTHING]), config=config)
    _, other = resolved(node, "net1", config=config)

    assert set(dict(fields.table(told(one), "runtimeConfig") or {})) == {
        "portMappings", "bandwidth", "ips", "mac", "infinibandGUID",
    }  # fmt: skip
    assert "runtimeConfig" not in told(other)


def test_f10_a_capability_that_is_not_declared_is_not_told(node: Node) -> None:
    _, found = resolved(node, json.dumps([EVERYTHING]))

    assert "runtimeConfig" not in told(found)
    assert found.arguments.endswith("MAC=c2:11:22:33:44:66;IP=10.0.0.1/24")


def test_f11_a_plugin_of_a_list_has_the_lists_name_version_and_its_own_capabilities(
    node: Node,
) -> None:
    node.networks.raw = json.dumps(
        {
            "name": "mynet-confList",
            "cniVersion": "0.4.0",
            "plugins": [
                {"type": "firstPlugin", "capabilities": {"portMappings": True}},
                {"type": "second"},
            ],
        }
    ).encode()
    mappings = [{"hostPort": 8080, "containerPort": 80}]

    (primary,) = resolved(node, config={**CONFIG, "runtimeConfig": {"portMappings": mappings}})

    first, second = told(primary, 0), told(primary, 1)
    assert (first["name"], first["cniVersion"]) == ("mynet-confList", "0.4.0")
    assert first["runtimeConfig"] == {"portMappings": mappings}
    assert "runtimeConfig" not in second


def test_f13_the_primary_gets_every_capability_it_declares(node: Node) -> None:
    """The reference passes on seven capabilities and drops the others."""
    node.networks.raw = json.dumps({**CAPABLE, "name": "p"}).encode()
    dns = {"servers": ["10.0.0.10"]}

    (primary,) = resolved(node, config={**CONFIG, "runtimeConfig": {"dns": dns, "aliases": ["a"]}})

    assert told(primary)["runtimeConfig"] == {"dns": dns}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param("K8S_POD_NAME=a;FOO=b", "unknown args", id="F16"),
        pytest.param("IgnoreUnknown=1;K8S_POD_NAME=a;FOO=b", "", id="F17"),
    ],
)
def test_an_unknown_argument_is_refused_unless_it_may_be_ignored(
    node: Node, arguments: str, text: str
) -> None:
    environment = {**ENVIRONMENT, "CNI_ARGS": arguments}
    request = cni_request.parse(environment, json.dumps(CONFIG).encode())

    if text:
        refused(lambda: resolve(request, None, node.doors()), text)
    else:
        assert types(resolve(request, None, node.doors())) == ["mynet2"]


def test_f14_a_network_with_a_device_is_told_of_its_file(node: Node) -> None:
    capable = {**CAPABLE, "capabilities": {"deviceID": True, "CNIDeviceInfoFile": True}}
    node.source.add_definition("test", "sriov", json.dumps({**capable, "name": "sriov"}))
    networks = json.dumps([{"name": "sriov", "deviceID": "0000:00:00.0"}])
    node.source.add_pod("test", "testpod", annotations={NETWORKS: networks})
    environment = {
        **ENVIRONMENT,
        "CNI_CONTAINERID": "abc",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=test;K8S_POD_NAME=testpod",
    }
    request = cni_request.parse(environment, json.dumps(CONFIG).encode())

    _, found = resolve(request, node.source.pod("test", "testpod"), node.doors())

    assert told(found)["runtimeConfig"] == {
        "deviceID": "0000:00:00.0",
        "CNIDeviceInfoFile": "/var/run/k8s.cni.cncf.io/devinfo/cni/test-sriov-abc_net1",
    }
