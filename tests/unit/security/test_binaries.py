"""No pod has a program run that does not lie in the folders of plugins."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from tests.unit.security.hostile import GOOD, made

from polypod.engine import attach
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError
from polypod.foreign.run import ForeignDoor
from polypod.testing.node import Node


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    """A program outside the folder of plugins, which leaves a mark when it is run."""
    path = tmp_path / "outside" / "evil"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\necho '{{}}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bin_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


@pytest.fixture
def node(bin_dir: Path) -> Node:
    node = made()
    node.settings = dataclasses.replace(node.settings, path=(str(bin_dir),))
    return node


@pytest.fixture
def doors(node: Node) -> Doors:
    """Return doors whose plugins are real programs."""
    return dataclasses.replace(node.doors(), foreign=ForeignDoor())


TYPES = {
    "absolute": "{evil}",
    "up": "../outside/evil",
    "up from nowhere": "x/../../outside/evil",
    "a shell": "../../../../../../bin/sh",
    "a null byte": "evil\0",
    "a dot": ".",
    "two dots": "..",
    "a plain name that is not there": "evil",
    "white space": " evil",
    "a pattern": "*",
}


@pytest.mark.parametrize("type_", TYPES.values(), ids=TYPES.keys())
@pytest.mark.parametrize("part", ["plugin", "chained", "ipam"])
def test_a_type_is_a_name_and_no_path(
    part: str, type_: str, evil: Path, node: Node, doors: Doors, tmp_path: Path
) -> None:
    wanted = type_.format(evil=evil)
    shapes: dict[str, dict[str, object]] = {
        "plugin": {"type": wanted},
        "chained": {"plugins": [GOOD, {"type": wanted}]},
        "ipam": {"type": "bridge", "bridge": "br-bad", "ipam": {"type": wanted}},
    }
    config = {"cniVersion": "1.0.0", "name": "bad", **shapes[part]}
    node.source.add_definition("test", "bad", json.dumps(config))
    pod = node.add_pod("test", "p", networks="bad", uid="u1")

    with pytest.raises(PolypodError) as refused:
        attach.attach(pod.request("ADD"), Caller(), doors)

    assert refused.value.slug in {"decode", "plugin-not-started", "invalid-config"}
    assert not (tmp_path / "ran").exists()
    assert node.journal.all() == ()


@pytest.mark.parametrize(
    "selection",
    [
        {"cni-args": {"CNI_PATH": "{outside}", "path": "{outside}"}},
        {"mac": "02:00:00:00:00:01;CNI_PATH={outside}"},
        {"ips": ["10.0.0.1;CNI_PATH={outside}"]},
        {"interface": "a;CNI_PATH"},
    ],
    ids=["cni-args", "mac", "ips", "interface"],
)
def test_an_annotation_adds_no_folder(
    selection: dict[str, object], evil: Path, node: Node, doors: Doors, tmp_path: Path
) -> None:
    told = json.loads(
        json.dumps([{"name": "bad", **selection}]).replace("{outside}", str(evil.parent))
    )
    node.source.add_definition("test", "bad", '{"cniVersion":"1.0.0","name":"bad","type":"evil"}')
    pod = node.add_pod("test", "p", networks=json.dumps(told), uid="u1")

    with pytest.raises(PolypodError):
        attach.attach(pod.request("ADD"), Caller(), doors)

    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("key", ["path", "CNI_PATH", "binDir", "cniPath"])
def test_a_definition_adds_no_folder(
    key: str, evil: Path, node: Node, doors: Doors, tmp_path: Path
) -> None:
    config = {"cniVersion": "1.0.0", "name": "bad", "type": "evil", key: str(evil.parent)}
    node.source.add_definition("test", "bad", json.dumps(config))
    pod = node.add_pod("test", "p", networks="bad", uid="u1")

    with pytest.raises(PolypodError):
        attach.attach(pod.request("ADD"), Caller(), doors)

    assert not (tmp_path / "ran").exists()


def test_a_link_in_the_folder_is_the_operators_own(
    evil: Path, node: Node, doors: Doors, bin_dir: Path, tmp_path: Path
) -> None:
    """Whoever may write the folder of plugins is root already: that program does run."""
    (bin_dir / "mine").symlink_to(evil)
    node.source.add_definition("test", "bad", '{"cniVersion":"1.0.0","name":"bad","type":"mine"}')
    pod = node.add_pod("test", "p", networks="bad", uid="u1")

    attach.attach(pod.request("ADD"), Caller(), doors)

    assert (tmp_path / "ran").exists()
