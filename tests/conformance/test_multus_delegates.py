"""What plugins are told of an annotation and of the runtime: rows E and F.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference's inline
delegate, or its clusterNetwork, is the configuration that our daemon is given as --primary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.multus_node import (
    CAPABLE,
    ENVIRONMENT,
    EVERYTHING,
    made,
    refused,
    resolved,
    told,
    types,
)

from polypod.cni import fields
from polypod.cni import request as cni_request
from polypod.engine.resolve import NETWORKS, pod_arguments, resolve
from polypod.errors import PolypodError
from polypod.nad import definition as nad
from polypod.nad import devices
from polypod.store.networks import NetworkFiles
from polypod.testing.node import CONFIG, Node


@pytest.fixture
def node() -> Node:
    return made()


# E: what an annotation and a definition make of a network.

PCI = "0000:00:00.0"


def injected(config: Mapping[str, object], device: str = PCI) -> dict[str, Any]:
    return dict(json.loads(devices.inject(json.dumps(config).encode(), device)))


def test_e01_a_device_is_told_to_a_plugin() -> None:
    config = {"name": "second-network", "type": "sriov", "PciBusID": "another"}

    assert injected(config) == {
        "name": "second-network",
        "type": "sriov",
        "deviceID": PCI,
        "pciBusID": PCI,
    }


def test_e03_a_device_is_told_to_every_plugin_of_a_list() -> None:
    found = injected({"name": "l", "plugins": [{"type": "sriov"}, {"type": "other-cni", "x": 1}]})

    assert found["plugins"] == [
        {"type": "sriov", "deviceID": PCI, "pciBusID": PCI},
        {"type": "other-cni", "x": 1, "deviceID": PCI, "pciBusID": PCI},
    ]


def test_e04_a_device_is_told_to_host_device() -> None:
    assert injected({"type": "host-device"}, "0000:00:00.2")["pciBusID"] == "0000:00:00.2"


@pytest.mark.parametrize("config", ['{"type":"sriov"', "[]", '{"plugins":[1]}'])
def test_a_device_cannot_be_put_into_what_is_no_configuration(config: str) -> None:
    with pytest.raises(PolypodError):
        devices.inject(config.encode(), PCI)


def test_e21_a_list_from_a_file_is_told_the_device_too(node: Node, tmp_path: Path) -> None:
    listed = {
        "name": "net1",
        "cniVersion": "1.0.0",
        "plugins": [{"type": "sriov", "ipam": {"type": "host-local"}}],
    }
    (tmp_path / "10-net1.conflist").write_text(json.dumps(listed), encoding="utf-8")
    node.networks.named["net1"] = NetworkFiles(None, tmp_path).by_name("net1") or b""
    node.source.add_definition("test", "net1", None, resource="resource1")
    node.devices.give("test", "testpod", resource1=(PCI,))

    _, found = resolved(node, "net1")

    assert told(found)["deviceID"] == PCI
    assert told(found)["ipam"] == {"type": "host-local"}


def test_a_device_of_the_kubelet_wins_over_the_annotations(node: Node) -> None:
    node.source.add_definition("test", "net1", json.dumps({**CAPABLE, "name": "n"}), resource="r")
    node.devices.give("test", "testpod", r=(PCI,))

    _, found = resolved(node, '[{"name":"net1","deviceID":"0000:00:00.1","cni-args":{"a":1}}]')

    assert told(found)["deviceID"] == PCI
    assert told(found)["runtimeConfig"] == {"deviceID": PCI}
    assert told(found)["args"] == {"cni": {"a": 1}}


def merged(config: Mapping[str, object], arguments: Mapping[str, object]) -> dict[str, Any]:
    raw = nad.merge_cni_args(json.dumps(config).encode(), arguments)
    return dict(json.loads(raw))


def test_e06_cni_args_are_put_into_the_configuration() -> None:
    assert merged({"type": "bridge"}, {"args1": "val1"})["args"] == {"cni": {"args1": "val1"}}


def test_e07_cni_args_win_over_the_configurations_own() -> None:
    config = {"type": "bridge", "args": {"cni": {"args0": "val0", "args1": "val1"}}}

    found = merged(config, {"args1": "val1a"})

    assert found["args"] == {"cni": {"args0": "val0", "args1": "val1a"}}


def test_e09_every_plugin_of_a_list_gets_the_cni_args() -> None:
    found = merged({"name": "l", "plugins": [{"type": "a"}, {"type": "b"}]}, {"x": 1})

    assert [plugin["args"] for plugin in found["plugins"]] == [{"cni": {"x": 1}}] * 2


def test_e10_other_args_are_kept() -> None:
    found = merged({"type": "bridge", "args": {"labels": 1}}, {"x": 1})

    assert found["args"] == {"labels": 1, "cni": {"x": 1}}


@pytest.mark.parametrize("args", ["text", 1, [1], True, {"cni": "text"}, {"cni": [1]}])
def test_args_that_are_no_object_are_an_error(args: object) -> None:
    refused(lambda: merged({"type": "bridge", "args": args}, {"x": 1}), "cni-args cannot be merged")


def test_e12_a_selection_is_told_to_its_network(node: Node) -> None:
    node.source.add_definition(
        "test", "net1", json.dumps({**CAPABLE, "name": "weave1", "cniVersion": "0.2.0"})
    )

    _, found = resolved(node, json.dumps([EVERYTHING]))

    assert found.ifname == "testIF1"
    assert found.arguments.endswith("MAC=c2:11:22:33:44:66;IP=10.0.0.1/24")
    assert told(found)["runtimeConfig"] == {
        "mac": "c2:11:22:33:44:66",
        "infinibandGUID": "24:8a:07:03:00:8d:ae:2e",
        "ips": ["10.0.0.1/24"],
        "bandwidth": EVERYTHING["bandwidth"],
        "portMappings": EVERYTHING["portMappings"],
    }


def test_e13_a_network_is_shown_by_its_definition_and_named_by_its_configuration(
    node: Node,
) -> None:
    node.source.add_definition("test", "net1", '{"name":"foo","type":"mynet1"}')

    _, found = resolved(node, "net1")

    assert (found.display_name, found.network.name) == ("test/net1", "foo")


@pytest.mark.parametrize(
    ("config", "text"),
    [
        pytest.param('{"name":"a","plugins":[]}', "no plugins in list", id="E15"),
        pytest.param(
            '{"name":"a","plugins":[{"name":"z"}]}',
            "a plugin delegate must have the 'type' field",
            id="E16",
        ),
        pytest.param(
            '{"name":"a"}', "delegate must have the 'type' or 'plugin' field", id="no-type"
        ),
        pytest.param('{"name":"a","plugins":[null]}', "plugin config 0", id="null-plugin"),
    ],
)
def test_a_definition_without_plugins_is_an_error(node: Node, config: str, text: str) -> None:
    node.source.add_definition("test", "net1", config)

    error = refused(lambda: resolved(node, "net1"), text)

    assert error.code == 7


def test_e18_a_device_id_of_the_annotation_is_told_as_a_capability(node: Node) -> None:
    raw = json.dumps({**CAPABLE, "name": "net1"})
    node.source.add_definition("test", "net1", raw)

    _, found = resolved(node, '[{"name":"net1","deviceID":"0000:00:00.1"}]')

    assert found.network.raw == raw.encode()
    assert told(found)["runtimeConfig"] == {"deviceID": "0000:00:00.1"}


CALICO: dict[str, Any] = {
    "name": "k8s-pod-network",
    "cniVersion": "0.3.1",
    "plugins": [
        {
            "type": "calico",
            "log_level": "info",
            "datastore_type": "kubernetes",
            "nodename": "n1",
            "mtu": 1440,
            "ipam": {"type": "calico-ipam"},
            "policy": {"type": "k8s"},
            "kubernetes": {"kubeconfig": "/etc/cni/net.d/calico-kubeconfig"},
        },
        {"type": "portmap", "snat": True, "capabilities": {"portMappings": True}},
    ],
}


def test_e19_a_plugin_is_told_every_key_of_its_configuration(node: Node, tmp_path: Path) -> None:
    (tmp_path / "10-calico.conflist").write_text(json.dumps(CALICO), encoding="utf-8")
    network = NetworkFiles(tmp_path / "10-calico.conflist", None).primary()
    assert network is not None
    node.networks.raw = network.raw

    (primary,) = resolved(node)

    assert (network.cni_version, len(network.plugins)) == ("0.3.1", 2)
    injected = {"name": "k8s-pod-network", "cniVersion": "0.3.1"}
    assert [told(primary, index) for index in (0, 1)] == [
        {**plugin, **injected} for plugin in CALICO["plugins"]
    ]


def test_e22_the_journal_keeps_every_key(node: Node) -> None:
    node.networks.raw = json.dumps(CALICO).encode()
    for type_ in ("calico", "portmap"):
        node.foreign.add(type_, b'{"cniVersion":"0.3.1"}')
    pod = node.add_pod("test", "p")

    node.add(pod)
    node.delete(pod)

    assert node.foreign.told("DEL") == ["portmap", "calico"]
    injected = {"name": "k8s-pod-network", "cniVersion": "0.3.1"}
    assert node.foreign.stdin(3) == {**CALICO["plugins"][0], **injected}


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
    networks = json.dumps([{"name": "sriov", "deviceID": PCI}])
    node.source.add_pod("test", "testpod", annotations={NETWORKS: networks})
    environment = {
        **ENVIRONMENT,
        "CNI_CONTAINERID": "abc",
        "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=test;K8S_POD_NAME=testpod",
    }
    request = cni_request.parse(environment, json.dumps(CONFIG).encode())

    _, found = resolve(request, node.source.pod("test", "testpod"), node.doors())

    assert told(found)["runtimeConfig"] == {
        "deviceID": PCI,
        "CNIDeviceInfoFile": "/var/run/k8s.cni.cncf.io/devinfo/cni/test-sriov-abc_net1",
    }
