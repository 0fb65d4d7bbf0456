"""`polypod migrate`: from a cluster or from files, for people and programs; the switch as files."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from tests.unit.cli.served import named_by

from polypod.cli import people

CLUSTER = Path(__file__).parents[2] / "data" / "multus"
SANDBOX = "4f1d0b0c5b7e"
FLANNEL = {"cniVersion": "1.0.0", "name": "cbr0", "plugins": [{"type": "flannel"}]}


def objects() -> Iterator[dict[str, Any]]:
    for path in sorted(CLUSTER.glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield from document.get("items", [document])


class Cluster:
    """The cluster of the files, two objects a page."""

    kinds: ClassVar[dict[str, str]] = {
        "network-attachment-definitions": "NetworkAttachmentDefinition",
        "pods": "Pod",
        "daemonsets": "DaemonSet",
        "deployments": "Deployment",
        "multus-daemon-config": "ConfigMap",
    }
    code = 200

    def answer(self, path: str) -> tuple[int, bytes]:
        asked = urlsplit(path)
        kind = self.kinds[asked.path.rpartition("/")[2]]
        found = [thing for thing in objects() if thing["kind"] == kind]
        start = int(parse_qs(asked.query).get("continue", ["0"])[0])
        following = str(start + 2) if start + 2 < len(found) else ""
        page = {"metadata": {"continue": following}, "items": found[start : start + 2]}
        said = found[0] if kind == "ConfigMap" else page
        return self.code, json.dumps(said).encode()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """Serve a cluster, and make it the one that kubectl would ask."""
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    made = Cluster()
    with named_by(tmp_path / "config", made.answer):
        yield made


@pytest.fixture
def node(tmp_path: Path) -> Path:
    """A copy of a node's folders."""
    root = tmp_path / "node"
    conf, plugins, cache = (
        root / "var/lib/rancher/k3s/agent/etc/cni/net.d",
        root / "var/lib/rancher/k3s/data/current/bin",
        root / "var/lib/cni/multus",
    )
    for folder in (conf, plugins, cache):
        folder.mkdir(parents=True)
    (conf / "10-flannel.conflist").write_text(json.dumps(FLANNEL))
    shim = {"cniVersion": "1.0.0", "name": "multus-cni-network", "type": "multus-shim"}
    (conf / "00-multus.conf").write_text(json.dumps(shim))
    (plugins / "flannel").touch()
    raw = base64.b64encode(json.dumps(FLANNEL).encode()).decode()
    (cache / SANDBOX).write_text(json.dumps([{"Name": "cbr0", "Bytes": raw}]))
    (cache / "broken").write_text("{")
    return root


def run(*words: str) -> int:
    return people.main(["migrate", *words])


def test_a_cluster_and_its_files_are_told_the_same_way(
    cluster: Cluster, capsys: pytest.CaptureFixture[str]
) -> None:
    del cluster

    code = run("-o", "json")
    of_cluster = json.loads(capsys.readouterr().out)
    run("--manifests", str(CLUSTER), "-o", "json")
    of_files = json.loads(capsys.readouterr().out)

    assert code == 2
    assert of_cluster["result"] == "blocked"
    assert len(of_cluster["findings"]) > 30
    assert of_cluster == of_files


def test_people_read_what_stops_first(capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--manifests", str(CLUSTER))

    said = capsys.readouterr().out
    assert code == 2
    assert said.startswith("Works now, and would not after the switch (4)\n")
    assert "- pod lab/lost: asks for lab/nowhere, which is not there" in said
    assert "--out DIR writes the switch and the way back" in said


def test_a_nodes_files_are_looked_at_too(node: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--manifests", str(CLUSTER), "--node", str(node), "--all")

    said = capsys.readouterr().out
    assert "- node: the primary is 10-flannel.conflist" in said
    assert "1 sandboxes of Multus's are taken down when their pods end" in said
    assert "- sandbox broken: Multus's record of it is unusable" in said
    assert "needs the plugin whereabouts, which this node does not have" in said


def test_the_switch_is_written_with_what_multus_had(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "switch"

    run("--manifests", str(CLUSTER), "--out", str(out), "--image", "registry.example/polypod:1")

    del capsys
    things = list(yaml.safe_load_all((out / "1-polypod.yaml").read_text()))
    (daemon_set,) = [thing for thing in things if thing["kind"] == "DaemonSet"]
    (settings,) = [thing for thing in things if thing["kind"] == "ConfigMap"]
    folders = {v["hostPath"]["path"] for v in volumes(daemon_set) if "hostPath" in v}
    assert {
        "/var/lib/rancher/k3s/agent/etc/cni/net.d",
        "/var/lib/rancher/k3s/data/current/bin",
        "/run/flannel",
        "/etc/cni/multus/net.d",
    } <= folders
    (text,) = settings["data"].values()
    assert yaml.safe_load(text)["namespaceIsolation"] is True
    assert yaml.safe_load(text)["globalNamespaces"] == ["default", "shared"]
    assert yaml.safe_load(text)["defaultNetworks"] == ["every-pod"]


def volumes(daemon_set: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = daemon_set["spec"]["template"]["spec"]["volumes"]
    return found


def test_every_file_of_the_switch_is_used_by_one_of_its_scripts(tmp_path: Path) -> None:
    run("--manifests", str(CLUSTER), "--out", str(tmp_path))

    scripts = "".join(path.read_text() for path in tmp_path.glob("*.sh"))
    written = {path.name for path in tmp_path.glob("*.yaml")}

    assert {name for name in written if f"kubectl apply -f {name}" not in scripts} == set()
    assert "delete -f" not in scripts  # each file has the agent's own namespace in it
    saved = yaml.safe_load((tmp_path / "back-2-kube-system-kube-multus-ds.yaml").read_text())
    assert saved["metadata"] == {"name": "kube-multus-ds", "namespace": "kube-system"}
    assert "back-2-kube-system-kube-multus-ds.yaml" in (tmp_path / "back.sh").read_text()


def test_a_cluster_that_is_like_any_other_has_no_differences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pod.yaml").write_text("kind: Pod\nmetadata: {name: a, namespace: b}\n")

    code = run("--manifests", str(tmp_path))

    assert code == 0
    assert "hold for every cluster" in capsys.readouterr().out


def test_what_cannot_be_read_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "broken.yaml").write_text("{")

    run("--manifests", str(tmp_path))

    assert "not read: " in capsys.readouterr().err


@pytest.mark.parametrize("way", ["no folder", "refused"])
def test_a_cluster_that_does_not_answer_is_another_exit_status(
    cluster: Cluster, tmp_path: Path, way: str
) -> None:
    cluster.code = 403

    code = run("--manifests", str(tmp_path / "none")) if way == "no folder" else run()

    assert code == 3


def test_multuss_configuration_is_put_aside_and_back(
    node: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = node / "var/lib/rancher/k3s/agent/etc/cni/net.d"
    before = sorted(path.name for path in conf.iterdir())

    assert run("aside", "--conf-dir", str(conf)) == 0
    aside = sorted(path.name for path in conf.iterdir())
    assert run("aside", "--conf-dir", str(conf)) == 0
    assert run("back", "--conf-dir", str(conf)) == 0

    del capsys
    assert aside == ["00-multus.conf.before-polypod", "10-flannel.conflist"]
    assert sorted(path.name for path in conf.iterdir()) == before


def test_a_configuration_that_is_there_again_is_not_overwritten(
    node: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    conf = node / "var/lib/rancher/k3s/agent/etc/cni/net.d"
    run("aside", "--conf-dir", str(conf))
    (conf / "00-multus.conf").write_text("{}")

    assert run("back", "--conf-dir", str(conf)) == 1

    assert "00-multus.conf is there again" in capsys.readouterr().err
    assert (conf / "00-multus.conf").read_text() == "{}"
