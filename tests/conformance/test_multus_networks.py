"""From names to networks, the primary as a file, and isolation: rows G, H and I.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference's inline
delegate, or its clusterNetwork, is the configuration that our daemon is given as --primary.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.conformance.multus_node import refused, resolved, types

from polypod.engine.doors import Settings
from polypod.store.networks import NetworkFiles
from polypod.testing.node import Node

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
