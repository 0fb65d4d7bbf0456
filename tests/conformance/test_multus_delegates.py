"""What an annotation and a definition make of a network: rows E.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference's inline
delegate, or its clusterNetwork, is the configuration that our daemon is given as --primary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.multus_node import CAPABLE, EVERYTHING, refused, resolved, told

from polypod.errors import PolypodError
from polypod.nad import definition as nad
from polypod.nad import devices
from polypod.store.networks import NetworkFiles
from polypod.testing.node import CONFIG, Node

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
    ports = [{"hostPort": 80, "containerPort": 8080}]

    node.add(pod, {**CONFIG, "runtimeConfig": {"portMappings": ports}})
    node.delete(pod)

    assert node.foreign.told("DEL") == ["portmap", "calico"]
    injected = {"name": "k8s-pod-network", "cniVersion": "0.3.1"}
    assert node.foreign.stdin(3) == {**CALICO["plugins"][0], **injected}
