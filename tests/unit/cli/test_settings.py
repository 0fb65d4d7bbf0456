"""The daemon's file of settings, for verbs that work without a daemon."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from polypod.cli import offline
from polypod.cli.explain import explain
from polypod.cli.options import Place
from polypod.engine import preview


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A pod without networks of its own, and settings that give it two."""
    manifests = tmp_path / "manifests"
    manifests.mkdir()
    write(manifests / "pod.json", {"kind": "Pod", "metadata": {"namespace": "a", "name": "p"}})
    config = json.dumps({"cniVersion": "1.0.0", "type": "macvlan", "master": "eth9"})
    write(
        manifests / "net.json",
        {
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"namespace": "infra", "name": "storage"},
            "spec": {"config": config},
        },
    )
    first = {"cniVersion": "1.0.0", "name": "first", "type": "loopback"}
    settings = {
        "multusNamespace": "infra",
        "clusterNetwork": str(write(tmp_path / "first.conf", first)),
        "defaultNetworks": ["storage"],
    }
    return Place(manifests=manifests, config=write(tmp_path / "daemon.json", settings))


def test_explain_knows_the_operators_networks(place: Place) -> None:
    told = "\n".join(preview.lines("a", "p", offline.looking(place)))

    assert "eth0: first (primary)" in told
    assert "net1: infra/storage (secondary)" in told


def test_explain_takes_the_file_as_an_option(place: Place) -> None:
    words = ["a/p", "--manifests", str(place.manifests), "--config", str(place.config)]

    done = CliRunner().invoke(explain, words)

    assert done.exit_code == 0, done.output
    assert "net1: infra/storage" in done.output


def test_doors_of_a_place_have_its_settings(place: Place, tmp_path: Path) -> None:
    with offline.doors(
        Place(manifests=place.manifests, config=place.config, state=tmp_path / "state")
    ) as doors:
        settings = doors.settings

    assert settings.default_networks == ("storage",)
    assert settings.multus_namespace == "infra"
