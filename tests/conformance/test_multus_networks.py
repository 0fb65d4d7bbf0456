"""Which networks a pod gets and what their plugins are told: rows C, D, E, F, G, H and I.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference's inline
delegate, or its clusterNetwork, is the configuration that our daemon is given as --primary.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from polypod.cni import fields, lists
from polypod.cni import request as cni_request
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Settings
from polypod.engine.resolve import DEFAULT_NETWORK, pod_arguments, resolve
from polypod.errors import PolypodError
from polypod.nad import definition as nad
from polypod.nad.definition import Definition
from polypod.store.networks import NetworkFiles
from polypod.testing.node import CONFIG, Node

EVERYTHING: Mapping[str, Any] = {
    "name": "net1",
    "interface": "testIF1",
    "mac": "c2:11:22:33:44:66",
    "infiniband-guid": "24:8a:07:03:00:8d:ae:2e",
    "ips": ["10.0.0.1/24"],
    "bandwidth": {"ingressRate": 1, "ingressBurst": 2, "egressRate": 3, "egressBurst": 4},
    "portMappings": [{"hostPort": 8080, "containerPort": 80}],
}
CAPABLE = {
    "cniVersion": "1.0.0",
    "type": "vendor",
    "capabilities": dict.fromkeys(
        ("portMappings", "bandwidth", "ips", "mac", "infinibandGUID", "deviceID", "dns"), True
    ),
}


@pytest.fixture
def node() -> Node:
    """A node whose primary is net2 of type mynet2, with two definitions."""
    made = Node(settings=Settings(boot_id="boot-1", namespace_isolation=False))
    made.networks.raw = b'{"name":"net2","type":"mynet2","cniVersion":"1.0.0"}'
    for place in (1, 3):
        config = {"name": f"net{place}", "type": f"mynet{place}", "cniVersion": "1.0.0"}
        for namespace in ("test", "kube-system"):
            made.source.add_definition(namespace, f"net{place}", json.dumps(config))
    for type_ in ("mynet1", "mynet2", "mynet3", "vendor"):
        made.foreign.add(type_, b'{"cniVersion": "1.0.0"}')
    return made


def resolved(
    node: Node,
    networks: str | None = None,
    *,
    default: str | None = None,
    config: Mapping[str, object] = CONFIG,
) -> tuple[Attachment, ...]:
    told = {} if default is None else {DEFAULT_NETWORK: default}
    pod = node.add_pod("test", "testpod", networks=networks, annotations=told)
    found = node.source.pod("test", "testpod")
    return resolve(pod.request("ADD", config), found, node.doors())


def types(found: tuple[Attachment, ...]) -> list[object]:
    return [one.network.plugins[0]["type"] for one in found]


def told(one: Attachment, index: int = 0) -> dict[str, object]:
    """What a plugin of a network reads."""
    return lists.plugin_config(
        one.network, index, prev_result=None, capability_args=one.capabilities
    )


def refused(act: Callable[[], object], text: str) -> PolypodError:
    with pytest.raises(PolypodError, match=re.escape(text)) as raised:
        act()
    return raised.value


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


ENVIRONMENT = {
    "CNI_COMMAND": "ADD",
    "CNI_CONTAINERID": "123456789",
    "CNI_NETNS": "/n",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/b",
}


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


# E: what an annotation and a definition make of a network.


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


# G: from a name to a configuration.


def test_g02_a_definition_that_is_not_there_is_an_error(node: Node) -> None:
    pod = node.add_pod("test", "p", networks="net1,net9")

    error = refused(
        lambda: node.add(pod),
        "cannot find a network-attachment-definition (net9) in namespace (test):"
        ' network-attachment-definitions.k8s.cni.cncf.io "net9" not found',
    )

    assert error.code == 7
    assert node.foreign.calls == []


def test_g03_every_namespace_has_its_definitions(node: Node) -> None:
    node.source.add_definition("test", "net2", '{"name":"net2","type":"mynet2"}')
    node.source.add_definition("other-ns", "net3", '{"name":"net3","type":"mynet3"}')
    asked = '[{"name":"net1"},{"name":"net2"},{"name":"net3","namespace":"other-ns"}]'

    found = resolved(node, asked)

    assert types(found[1:]) == ["mynet1", "mynet2", "mynet3"]


@pytest.fixture
def folder(node: Node, tmp_path: Path) -> Path:
    """A folder of networks that definitions only name."""
    node.networks = NetworkFiles(None, tmp_path)  # type: ignore[assignment]
    for name in ("net1", "net2", "b", "test-net-attach-def"):
        node.source.add_definition("test", name, None)
    return tmp_path


def test_g05_an_empty_definition_is_a_file_of_its_name(node: Node, folder: Path) -> None:
    (folder / "10-net1.conf").write_text('{"name":"net1","type":"mynet1"}', encoding="utf-8")
    (folder / "20-net2.conf").write_text('{"name":"net2","type":"mynet2"}', encoding="utf-8")

    assert types(resolved(node, "net1,net2")) == ["mynet1", "mynet2"]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param('{"type":"mynet"}', id="G06"),
        pytest.param('{"name":"","type":"mynet"}', id="G18"),
        pytest.param('{"name":null,"type":"mynet"}', id="null-name"),
    ],
)
def test_a_configuration_without_name_gets_its_definitions(node: Node, config: str) -> None:
    node.source.add_definition("test", "net1", config)

    _, found = resolved(node, "net1")

    assert found.network.name == "net1"


def test_g08_a_configuration_with_a_name_is_not_changed(node: Node) -> None:
    config = '{ "type": "mynet1",\n  "name":"net1", "x": 1.50, "NAME2": null }'
    node.source.add_definition("test", "net1", config)

    _, found = resolved(node, "net1")

    assert found.network.raw == config.encode()


def test_g09_a_named_file_is_not_changed(node: Node, folder: Path) -> None:
    text = '{ "type": "test", "name": "test-net-attach-def", "version": "0.3.1" }'
    (folder / "testCNI.conf").write_text(text, encoding="utf-8")

    (found,) = resolved(node, "test-net-attach-def")

    assert found.network.raw == text.encode()


@pytest.mark.parametrize(
    "config",
    [
        pytest.param("***invalid json file***", id="G11"),
        pytest.param("null", id="G20"),
        pytest.param("[]", id="list"),
        pytest.param('"text"', id="text"),
    ],
)
def test_a_configuration_that_is_no_object_is_an_error(node: Node, config: str) -> None:
    node.source.add_definition("test", "net1", config)

    error = refused(lambda: resolved(node, "net1"), "failed to unmarshal Spec.Config")

    assert error.code == 7


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"10-net1.conf": "***"}, id="G12"),
        pytest.param({}, id="G14"),
        pytest.param({"10-x.conf": '{"name":"x","type":"y"}', "net1.txt": "{}"}, id="other-name"),
    ],
)
def test_a_file_that_is_not_there_is_an_error(
    node: Node, folder: Path, files: Mapping[str, str]
) -> None:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")

    refused(lambda: resolved(node, "net1"), "No networks found in")


def test_g15_a_broken_file_does_not_hide_the_others(node: Node, folder: Path) -> None:
    (folder / "05-x.conf").write_text("{", encoding="utf-8")
    (folder / "10-a.conf").write_text('{"name":"b","type":"mynet1"}', encoding="utf-8")

    assert types(resolved(node, "b")) == ["mynet1"]


def test_g17_a_file_may_end_in_json(node: Node, folder: Path) -> None:
    (folder / "a.json").write_text('{"name":"b","type":"mynet1"}', encoding="utf-8")

    assert types(resolved(node, "b")) == ["mynet1"]


# H: the primary as a file.


def test_h06_the_primary_is_the_file_it_is_said_to_be(node: Node, tmp_path: Path) -> None:
    path = tmp_path / "10-net1.conf"
    path.write_text('{"name":"net1","type":"mynet"}', encoding="utf-8")
    node.networks = NetworkFiles(path, None)  # type: ignore[assignment]

    (primary,) = resolved(node)

    assert (primary.network.name, types((primary,))) == ("net1", ["mynet"])


@pytest.mark.parametrize("name", [pytest.param("none", id="H09"), pytest.param("", id="folder")])
def test_a_primary_that_cannot_be_read_is_an_error(node: Node, tmp_path: Path, name: str) -> None:
    node.networks = NetworkFiles(tmp_path / name, None)  # type: ignore[assignment]

    refused(lambda: resolved(node), "primary network: ")


def test_h08_a_folder_that_is_not_there_has_no_networks(node: Node, tmp_path: Path) -> None:
    node.networks = NetworkFiles(None, tmp_path / "none")  # type: ignore[assignment]
    node.source.add_definition("test", "net1", None)

    refused(lambda: resolved(node, "net1"), "No networks found in")


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A primary's list with two plugins chained to it, and other files beside them."""
    path = tmp_path / "10-mynet.conflist"
    listed = {"name": "mynet", "cniVersion": "1.0.0", "plugins": [{"type": "mynet1"}]}
    path.write_text(json.dumps(listed), encoding="utf-8")
    (tmp_path / "mynet").mkdir()
    for name, type_ in (
        ("20-b.conf", "mynet3"),
        ("10-a.conf", "mynet2"),
        ("05-no.conflist", "x"),
        ("30-no.json", "x"),
    ):
        (tmp_path / "mynet" / name).write_text(json.dumps({"type": type_, "x": 1}))
    return path


def chained_types(path: Path) -> list[object]:
    network = NetworkFiles(path, None).primary()
    assert network is not None
    return [plugin["type"] for plugin in network.plugins]


def test_h11_files_of_a_folder_are_chained_to_the_primary(node: Node, chain: Path) -> None:
    assert chained_types(chain) == ["mynet1", "mynet2", "mynet3"]

    node.networks = NetworkFiles(chain, None)  # type: ignore[assignment]
    pod = node.add_pod("test", "p")
    node.add(pod)
    node.delete(pod)

    assert node.foreign.told("ADD") == ["mynet1", "mynet2", "mynet3"]
    assert node.foreign.told("DEL") == ["mynet3", "mynet2", "mynet1"]
    assert node.foreign.stdin(1)["x"] == 1
    assert node.foreign.stdin(1)["name"] == "mynet"


@pytest.mark.parametrize("flag", [True, "true"])
def test_h12_a_list_may_wish_to_be_left_alone(chain: Path, flag: object) -> None:
    listed = json.loads(chain.read_text(encoding="utf-8"))
    chain.write_text(json.dumps({**listed, "loadOnlyInlinedPlugins": flag}), encoding="utf-8")

    assert chained_types(chain) == ["mynet1"]


def test_h11_a_list_may_have_chained_plugins_only(chain: Path) -> None:
    chain.write_text('{"name":"mynet","cniVersion":"1.0.0"}', encoding="utf-8")

    assert chained_types(chain) == ["mynet2", "mynet3"]


@pytest.mark.parametrize("text", ["{", "{}", "[]", '{"type": 1}'])
def test_h11_a_broken_file_of_the_chain_is_an_error(chain: Path, text: str) -> None:
    (chain.parent / "mynet" / "10-a.conf").write_text(text, encoding="utf-8")

    refused(NetworkFiles(chain, None).primary, "10-a.conf: ")


def test_h11_a_change_of_the_chain_is_seen(chain: Path) -> None:
    files = NetworkFiles(chain, None)
    assert files.primary() is files.primary()

    (chain.parent / "mynet" / "10-a.conf").unlink()
    fewer = files.primary()
    chain.write_text('{"name":"other","plugins":[{"type":"mynet1"}]}', encoding="utf-8")
    renamed = files.primary()

    assert fewer is not None
    assert [plugin["type"] for plugin in fewer.plugins] == ["mynet1", "mynet3"]
    assert renamed is not None
    assert [plugin["type"] for plugin in renamed.plugins] == ["mynet1"]


def test_h11_only_a_list_has_a_chain(chain: Path) -> None:
    single = chain.with_name("10-mynet.conf")
    single.write_text('{"name":"mynet","type":"mynet1"}', encoding="utf-8")

    assert chained_types(single) == ["mynet1"]


@pytest.mark.parametrize("name", ["../mynet", "..", ".", "", "a/b"])
def test_h11_a_name_leads_to_no_other_folder(chain: Path, name: str) -> None:
    listed = {"name": name, "plugins": [{"type": "mynet1"}]}
    chain.write_text(json.dumps(listed), encoding="utf-8")

    refused(NetworkFiles(chain, None).primary, "name")


# I: which namespaces a pod may use.


@pytest.mark.parametrize(
    ("is_isolated", "allowed", "annotation", "is_fine"),
    [
        pytest.param(True, "kube-system,donkey-kong", "kube-system/net1", True, id="I02"),
        pytest.param(True, "default", "net1", True, id="I03"),
        pytest.param(True, "foo", "default/net1", False, id="I05"),
        pytest.param(False, "foo", "default/net1", True, id="I06"),
    ],
)
def test_isolation_keeps_pods_to_their_namespace(
    node: Node, *, is_isolated: bool, allowed: str, annotation: str, is_fine: bool
) -> None:
    node.settings = Settings(
        namespace_isolation=is_isolated, global_namespaces=frozenset(allowed.split(","))
    )
    node.source.add_definition("default", "net1", '{"name":"net1","type":"mynet1"}')

    if is_fine:
        assert len(resolved(node, annotation)) == 2
    else:
        refused(
            lambda: resolved(node, annotation),
            "namespace isolation enabled, annotation violates permission, pod is in namespace test"
            " but refers to target namespace default",
        )


def test_isolation_leaves_the_namespace_of_default_networks_open(node: Node) -> None:
    node.settings = Settings(namespace_isolation=True, global_namespaces=frozenset())

    (primary,) = resolved(node, default="kube-system/net1")

    assert primary.display_name == "kube-system/net1"


def test_isolation_binds_the_default_network_too(node: Node) -> None:
    """The reference lets it name any namespace, so a pod could leave its own that way."""
    node.source.add_definition("other", "net1", '{"name":"net1","type":"mynet1"}')
    node.settings = Settings(namespace_isolation=True)

    refused(lambda: resolved(node, default="other/net1"), "refers to target namespace other")
