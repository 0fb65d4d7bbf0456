"""What the engine may expect of a source of pods, of networks in files, and of a status sink."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from polypod.engine.doors import Networks, Source, StatusSink
from polypod.errors import StorageError
from polypod.kube.manifests import ManifestSource
from polypod.kube.status_files import StatusFiles
from polypod.nad.definition import Definition
from polypod.store.networks import NetworkFiles
from polypod.testing.source import FakeNetworks, FakeSource, FakeStatus

CONFIG = '{"cniVersion": "1.0.0", "type": "macvlan"}'
STATIC = {"kubernetes.io/config.source": "file"}


@pytest.fixture
def source(which: str, folder: Path) -> Source:
    pods: Mapping[str, Mapping[str, str]] = {"p": {"a": "b"}, "static": STATIC}
    if which == "memory":
        fake = FakeSource()
        for name, annotations in pods.items():
            fake.add_pod("ns", name, uid="u1", annotations=annotations)
        fake.add_definition("ns", "net", CONFIG)
        fake.add_definition("ns", "empty", None)
        return fake
    documents: list[dict[str, object]] = [
        {
            "kind": "Pod",
            "metadata": {"namespace": "ns", "name": name, "uid": "u1", "annotations": annotations},
        }
        for name, annotations in pods.items()
    ]
    for name, spec in (("net", {"config": CONFIG}), ("empty", {})):
        metadata = {"namespace": "ns", "name": name}
        documents.append(
            {"kind": "NetworkAttachmentDefinition", "metadata": metadata, "spec": spec}
        )
    (folder / "all.yaml").write_text(yaml.safe_dump_all(documents), encoding="utf-8")
    return ManifestSource(folder)


def test_a_pod_is_found_by_namespace_and_name(source: Source) -> None:
    pod = source.pod("ns", "p")

    assert pod is not None
    assert (pod.namespace, pod.name, pod.uid, pod.static) == ("ns", "p", "u1", False)
    assert dict(pod.annotations) == {"a": "b"}
    assert source.pod("default", "p") is None
    assert source.pod("ns", "q") is None


def test_a_pod_that_the_kubelet_made_from_a_file_is_static(source: Source) -> None:
    pod = source.pod("ns", "static")

    assert pod is not None
    assert pod.static


def test_a_definition_is_found_by_namespace_and_name(source: Source) -> None:
    assert source.definition("ns", "net") == Definition(namespace="ns", name="net", config=CONFIG)
    assert source.definition("ns", "empty") == Definition(namespace="ns", name="empty")
    assert source.definition("default", "net") is None
    assert source.definition("ns", "") is None


@pytest.fixture
def networks(which: str, folder: Path) -> Networks:
    primary = b'{"cniVersion":"1.0.0","name":"cbr0","plugins":[{"type":"bridge"}]}'
    named = b'{"cniVersion":"1.0.0","name":"b","type":"macvlan"}'
    if which == "memory":
        fake = FakeNetworks()
        fake.raw, fake.named["b"] = primary, named
        fake.files[str(folder / "net.d" / "10-a.conf")] = named
        fake.chains["extra"] = ({"type": "tuning", "x": 1},)
        return fake
    (folder / "10-primary.conflist").write_bytes(primary)
    (folder / "net.d").mkdir()
    (folder / "net.d" / "10-a.conf").write_bytes(named)
    (folder / "extra").mkdir()
    (folder / "extra" / "10-a.conf").write_bytes(b'{"type":"tuning","x":1}')
    return NetworkFiles(folder / "10-primary.conflist", folder / "net.d")


def test_the_primary_is_a_network(networks: Networks) -> None:
    primary = networks.primary()

    assert primary is not None
    assert (primary.name, primary.cni_version) == ("cbr0", "1.0.0")
    assert [plugin["type"] for plugin in primary.plugins] == ["bridge"]


def test_a_named_network_is_its_bytes(networks: Networks) -> None:
    assert networks.by_name("b") == b'{"cniVersion":"1.0.0","name":"b","type":"macvlan"}'
    assert networks.by_name("c") is None


def test_a_network_at_a_path_is_read_or_an_error(networks: Networks, folder: Path) -> None:
    assert networks.at(str(folder / "net.d" / "10-a.conf")).name == "b"
    with pytest.raises(StorageError, match="cannot find network"):
        networks.at(str(folder / "none.conf"))


def test_an_auxiliary_chain_begins_with_a_plugin_of_no_effect(networks: Networks) -> None:
    found = networks.auxiliary("extra", "0.4.0")

    assert found is not None
    assert (found.name, found.cni_version) == ("extra", "0.4.0")
    assert found.disable_check
    assert found.plugins == ({"type": "passthru"}, {"type": "tuning", "x": 1})
    assert networks.auxiliary("other", "0.4.0") is None


@pytest.fixture
def status(which: str, folder: Path) -> tuple[StatusSink, Callable[[str, str], str | None]]:
    if which == "memory":
        fake = FakeStatus()
        return fake, lambda namespace, pod: fake.texts.get((namespace, pod))

    def read(namespace: str, pod: str) -> str | None:
        path = folder / namespace / f"{pod}.json"
        return path.read_text(encoding="utf-8") if path.exists() else None

    return StatusFiles(folder), read


def test_a_status_is_written_replaced_and_removed(
    status: tuple[StatusSink, Callable[[str, str], str | None]],
) -> None:
    sink, read = status

    sink.write("ns", "p", json.dumps([1]))
    sink.write("ns", "p", json.dumps([2]))
    sink.write("ns", "q", json.dumps([3]))
    written = read("ns", "p")
    for _ in range(2):
        sink.remove("ns", "p")

    assert written == "[2]"
    assert read("ns", "p") is None
    assert read("ns", "q") == "[3]"
