"""An operator's settings and the networks that follow from them: rows D and H.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The node of these tests
has definitions myCRD1 (type mynet) and myCRD2 (type mynet2) in kube-system.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.multus_node import made, refused, resolved, types

from polypod.engine import node_networks
from polypod.engine.doors import Settings
from polypod.engine.resolve import resolve
from polypod.errors import ApiError, UnavailableError
from polypod.nad import multus_settings
from polypod.nad.definition import Definition
from polypod.nad.node_settings import NodeSettings, Verdict
from polypod.store.networks import NetworkFiles
from polypod.testing.node import CONFIG, Node

MULTUS = {"name": "node-cni-network", "type": "multus", "kubeconfig": "/etc/kubernetes/k.yaml"}


def read(**keys: object) -> NodeSettings:
    return multus_settings.read({**MULTUS, **keys}, "daemon-config.json").settings


@pytest.fixture
def node() -> Node:
    node = made()
    for name, type_ in (("myCRD1", "mynet"), ("myCRD2", "mynet2"), ("d1", "mynet1")):
        config = json.dumps({"name": name, "type": type_, "cniVersion": "1.0.0"})
        node.source.add_definition("kube-system", name, config)
        node.foreign.add(type_, b'{"cniVersion": "1.0.0"}')
    return node


def given(node: Node, **settings: Any) -> Node:
    node.settings = replace(node.settings, **settings)
    return node


def shown(
    node: Node, networks: str | None = None, namespace: str = "test"
) -> list[tuple[str, str]]:
    """Return (interface, display name) of what a pod gets."""
    pod = node.add_pod(namespace, "testpod", networks=networks)
    found = node.source.pod(namespace, "testpod")
    attachments = resolve(pod.request("ADD"), found, node.doors())
    return [(one.ifname, one.display_name) for one in attachments]


# D: the settings themselves.


def test_d04_options_of_a_log_file_are_taken_and_named() -> None:
    options = {"maxAge": 5, "maxSize": 100, "maxBackups": 5, "compress": True}

    notes = multus_settings.read({**MULTUS, "logOptions": options}, "f").notes

    assert ("logOptions", Verdict.WITHOUT_EFFECT) in [(note.key, note.verdict) for note in notes]


def test_d05_isolation_leaves_the_default_namespace_open() -> None:
    found = read(namespaceIsolation=True)

    assert found.namespace_isolation
    assert found.global_namespaces == ("default",)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param("readinessindicatorfile", id="D13"),
        pytest.param("readinessIndicatorFile", id="D14"),
    ],
)
def test_the_readiness_indicator_is_kept_in_either_spelling(key: str) -> None:
    assert read(**{key: "/etc/cni/net.d/foo"}).readiness_indicator_file == "/etc/cni/net.d/foo"


def test_d16_what_is_not_said_is_as_with_multus() -> None:
    found = read()

    assert found.bin_dir == "/opt/cni/bin"
    assert found.conf_dir == "/etc/cni/multus/net.d"
    assert found.cni_dir == "/var/lib/cni/multus"
    assert found.multus_namespace == "kube-system"
    assert found.system_namespaces == ("kube-system",)


@pytest.mark.parametrize(("namespace", "is_system"), [("foobar", True), ("foobar1", False)])
def test_d17_a_namespace_of_the_system_is_one_that_is_listed(
    node: Node, namespace: str, *, is_system: bool
) -> None:
    found = read(systemNamespaces=["barfoo", "bafoo", "foobar"], defaultNetworks=["d1"])
    doors = given(
        node,
        system_namespaces=frozenset(found.system_namespaces),
        default_networks=found.default_networks,
    ).doors()

    assert node_networks.defaults(namespace, doors) == (() if is_system else ("d1",))


# H: the cluster network, and default networks.


def test_h02_default_networks_follow_the_cluster_network(node: Node) -> None:
    given(node, cluster_network="myCRD1", default_networks=("myCRD2",))

    found = resolved(node)

    assert types(found) == ["mynet", "mynet2"]
    assert [one.ifname for one in found] == ["eth0", "net1"]
    assert found[0].is_primary and found[0].display_name == "kube-system/myCRD1"


def test_h03_pods_of_the_system_get_no_default_networks(node: Node) -> None:
    given(node, cluster_network="myCRD1", default_networks=("myCRD2",))

    assert shown(node, namespace="kube-system") == [("eth0", "kube-system/myCRD1")]


def test_h03_pods_of_the_system_get_their_own_networks(node: Node) -> None:
    given(node, cluster_network="myCRD1", default_networks=("myCRD2",))

    found = shown(node, "d1", namespace="kube-system")

    assert found == [("eth0", "kube-system/myCRD1"), ("net1", "kube-system/d1")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config = {"name": "net1", "type": "mynet", "cniVersion": "1.0.0"}
    (tmp_path / "10-net1.conf").write_text(json.dumps(config), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", [pytest.param("", id="H05"), "10-net1.conf"])
def test_the_cluster_network_is_a_folder_or_a_file(node: Node, folder: Path, name: str) -> None:
    node.networks = NetworkFiles(None, None)  # type: ignore[assignment]
    given(node, cluster_network=str(folder / name))

    (primary,) = resolved(node)

    assert (primary.network.name, types((primary,))) == ("net1", ["mynet"])


def test_h14_an_empty_folder_is_no_cluster_network(node: Node, tmp_path: Path) -> None:
    node.networks = NetworkFiles(None, None)  # type: ignore[assignment]
    given(node, cluster_network=f"{tmp_path}/")

    refused(lambda: resolved(node), "cannot find network")


def test_h15_namespaces_of_the_system_are_the_operators_choice(node: Node) -> None:
    given(
        node,
        default_networks=("d1",),
        system_namespaces=frozenset({"kube-system", "admin"}),
    )

    assert shown(node, namespace="admin") == [("eth0", "net2")]
    assert shown(node, namespace="other") == [("eth0", "net2"), ("net1", "kube-system/d1")]


def test_h17_default_networks_come_before_the_pods_own(node: Node) -> None:
    given(node, cluster_network="myCRD1", default_networks=("d1",))
    node.source.add_definition("test", "p1", '{"type":"mynet3","cniVersion":"1.0.0"}')

    found = shown(node, "p1")

    assert found == [
        ("eth0", "kube-system/myCRD1"),
        ("net1", "kube-system/d1"),
        ("net2", "test/p1"),
    ]


def test_h18_a_name_that_a_file_has_is_no_missing_definition(node: Node) -> None:
    """The reference tells an event about the definition that it looked for first."""
    node.networks.named["file1"] = b'{"name":"file1","type":"mynet1","cniVersion":"1.0.0"}'
    given(node, cluster_network="file1")

    node.add(node.add_pod("test", "testpod"))

    assert "NoNetworkFound" not in str(node.events.told)
    assert node.foreign.told("ADD") == ["mynet1"]


def test_a_definition_wins_over_a_file_of_its_name(node: Node) -> None:
    node.networks.named["d1"] = b'{"name":"d1","type":"other","cniVersion":"1.0.0"}'
    given(node, cluster_network="d1")

    assert types(resolved(node)) == ["mynet1"]


def test_an_api_server_that_is_away_does_not_make_a_file_the_network(node: Node) -> None:
    """The reference takes the file after any failure, so a pod's network would depend on luck."""

    def away(namespace: str, name: str) -> Definition | None:
        raise ApiError(f"{namespace}/{name}", status=500)

    node.networks.named["d1"] = b'{"name":"d1","type":"other","cniVersion":"1.0.0"}'
    node.source.definition = away  # type: ignore[method-assign]
    given(node, cluster_network="d1")

    refused(lambda: resolved(node), "kube-system/d1")


@pytest.mark.parametrize("settings", [{"cluster_network": "no"}, {"default_networks": ("no",)}])
def test_a_name_that_nobody_has_is_an_error(node: Node, settings: Mapping[str, object]) -> None:
    error = refused(lambda: resolved(given(node, **settings)), "cannot find network: no")

    assert "kube-system" in error.hint


def test_the_operators_namespace_is_where_names_are_looked_for(node: Node) -> None:
    node.source.add_definition("infra", "d1", '{"type":"mynet3","cniVersion":"1.0.0"}')
    given(node, cluster_network="d1", multus_namespace="infra")

    assert shown(node) == [("eth0", "infra/d1")]


def test_isolation_does_not_bind_the_operator(node: Node) -> None:
    given(node, cluster_network="myCRD1", default_networks=("d1",), namespace_isolation=True)

    assert len(resolved(node)) == 2


def test_the_annotation_replaces_the_cluster_network_alone(node: Node) -> None:
    given(node, cluster_network="myCRD1", default_networks=("d1",))

    assert types(resolved(node, default="net3")) == ["mynet3", "mynet1"]


def test_status_and_gc_speak_of_the_cluster_network(node: Node) -> None:
    given(node, cluster_network="missing")

    with pytest.raises(UnavailableError, match="cannot find network: missing"):
        node.is_ready()
    given(node, cluster_network="myCRD1")
    config = json.dumps({"name": "x", "type": "mynet", "cniVersion": "1.1.0"})
    node.source.add_definition("kube-system", "myCRD1", config)
    node.is_ready()
    node.collect()

    assert [(call.command, call.type) for call in node.foreign.calls] == [
        ("STATUS", "mynet"),
        ("GC", "mynet"),
    ]


# The auxiliary chain.


def test_an_auxiliary_chain_follows_all_networks_and_is_taken_back(node: Node) -> None:
    node.networks.chains["extra"] = ({"type": "mynet3", "x": 1},)
    given(node, auxiliary_chain="extra", default_networks=("d1",))
    pod = node.add_pod("test", "testpod", networks="net1")

    answer = node.add(pod)
    node.delete(pod)

    told = [(call.command, call.type, call.ifname) for call in node.foreign.calls]
    assert told == [
        ("ADD", "mynet2", "eth0"),
        ("ADD", "mynet1", "net1"),
        ("ADD", "mynet1", "net2"),
        ("ADD", "mynet3", "net3"),
        ("DEL", "mynet3", "net3"),
        ("DEL", "mynet1", "net2"),
        ("DEL", "mynet1", "net1"),
        ("DEL", "mynet2", "eth0"),
    ]
    assert node.foreign.stdin(3)["prevResult"] == {"cniVersion": "1.1.0"}
    assert node.foreign.stdin(3)["name"] == "extra"
    assert answer["cniVersion"] == CONFIG["cniVersion"]
    assert node.journal.all() == ()


def test_an_auxiliary_chain_takes_no_name_that_a_pod_asked_for(node: Node) -> None:
    node.networks.chains["extra"] = ({"type": "mynet3"},)
    given(node, auxiliary_chain="extra")

    assert shown(node, "net1@net2") == [("eth0", "net2"), ("net2", "test/net1"), ("net3", "extra")]


def test_an_auxiliary_chain_that_is_not_there_is_none(node: Node) -> None:
    given(node, auxiliary_chain="none")

    assert shown(node) == [("eth0", "net2")]


def test_settings_of_a_node_have_multus_defaults() -> None:
    """What the engine takes for granted and what the file says without a word are one."""
    ours, files = Settings(), NodeSettings()

    assert ours.multus_namespace == files.multus_namespace
    assert ours.system_namespaces == frozenset(files.system_namespaces)
    assert ours.global_namespaces == frozenset(files.global_namespaces)
    assert ours.namespace_isolation == files.namespace_isolation
    assert ours.path == (files.bin_dir,)
