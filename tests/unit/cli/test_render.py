"""`polypod install render`: what is given is taken, what is not is asked, and both are said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cli.conftest import SmallCluster

from polypod.cli import people


def agent_of(text: str) -> Any:
    (found,) = [thing for thing in yaml.safe_load_all(text) if thing["kind"] == "DaemonSet"]
    return found["spec"]["template"]["spec"]["containers"][0]


def test_what_the_cluster_says_is_taken_and_told(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert people.main(["install", "render"]) == 0

    out, err = capsys.readouterr()
    names = {entry["name"] for entry in agent_of(out)["env"]}
    assert "KUBERNETES_SERVICE_HOST" in names
    assert "detected platform: talos (1 nodes: Talos (v1.13.2)" in err
    assert "--platform says otherwise" in err
    assert "detected primary: cilium (DaemonSet kube-system/cilium)" in err
    assert "cilium-values.yaml" in err
    assert len(cluster.asked) == 2


def test_no_cluster_is_asked_when_both_are_given(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--platform", "kubeadm", "--primary", "flannel"]

    assert people.main(["install", "render", *words]) == 0

    assert cluster.asked == []
    assert "detected" not in capsys.readouterr().err


def test_a_given_platform_is_not_asked_for(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    assert people.main(["install", "render", "--platform", "rke2"]) == 0

    assert not any("nodes" in path for path in cluster.asked)
    assert "detected primary: cilium" in capsys.readouterr().err


def test_a_cluster_that_refuses_is_an_error_with_the_way_out(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.code = 403

    assert people.main(["install", "render", "--kubeconfig", str(cluster.kubeconfig)]) == 1

    out, err = capsys.readouterr()
    assert out == ""
    assert "403" in err and "--platform" in err


def test_a_primary_that_is_not_told_is_left_open(
    cluster: SmallCluster, capsys: pytest.CaptureFixture[str]
) -> None:
    cluster.code = 403

    assert people.main(["install", "render", "--platform", "k3s"]) == 0

    assert "the primary is not known" in capsys.readouterr().err


def test_without_a_kubeconfig_the_usual_folders_are_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))

    assert people.main(["install", "render"]) == 0

    out, err = capsys.readouterr()
    assert "--shim-dir=/opt/cni/bin" in agent_of(out)["args"]
    assert "no cluster was asked" in err


def test_a_kubeconfig_that_is_named_must_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert people.main(["install", "render", "--kubeconfig", str(tmp_path / "none")]) == 1

    assert "kubeconfig" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["kustomize", "helm"])
def test_a_folder_holds_what_must_change_elsewhere(form: str, tmp_path: Path) -> None:
    words = ["--platform", "k3s", "--primary", "cilium", "--form", form]

    assert people.main(["install", "render", *words, "--out", str(tmp_path)]) == 0

    assert (tmp_path / "extras" / "cilium-values.yaml").is_file()
    assert (tmp_path / "extras" / "README.md").is_file()


def test_several_files_need_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert people.main(["install", "render", "--form", "helm"]) == 2

    assert "--out" in capsys.readouterr().err
