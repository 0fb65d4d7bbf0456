"""Pods that the primary attached alone, before there was anybody between it and the runtime."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.engine.kept import PRIMARY, RESULT, delete, folders

from polypod.errors import ForeignError
from polypod.plan.foreign import ForeignCall
from polypod.testing.node import Node, Sandbox


@pytest.fixture
def pod() -> tuple[Node, Sandbox]:
    node = Node()
    return node, node.add_pod("default", "p")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return folders(tmp_path)


def settled(files: Path, sandbox: Sandbox, config: dict[str, Any], **more: Any) -> Path:
    """Write what a runtime's libcni keeps of a network that it called itself."""
    path = files / "results" / f"{config['name']}-{sandbox.container_id}-eth0"
    kept = {
        "kind": "cniCacheV1",
        "containerId": sandbox.container_id,
        "config": base64.b64encode(json.dumps(config).encode()).decode(),
        "ifName": "eth0",
        "networkName": config["name"],
        "result": RESULT,
        **more,
    }
    path.write_text(json.dumps(kept))
    return path


def test_a_pod_that_the_primary_attached_alone_is_taken_back_by_it(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    for type_ in ("flannel", "portmap"):
        node.foreign.add(type_)
    kept = settled(files, sandbox, PRIMARY, capabilityArgs={"mac": "02:00:00:00:00:09"})

    delete(node, sandbox, files)

    assert node.foreign.told("DEL") == ["portmap", "flannel"]
    assert node.foreign.stdin(0)["prevResult"] == RESULT
    assert node.foreign.stdin(0)["runtimeConfig"] == {"mac": "02:00:00:00:00:09"}
    assert not kept.exists()


def test_a_primary_that_fails_is_asked_again(pod: tuple[Node, Sandbox], files: Path) -> None:
    node, sandbox = pod

    def fails(call: ForeignCall) -> bytes:
        raise ForeignError(f"{call.type} is busy", code=11)

    node.foreign.add("portmap", fails)
    node.foreign.add("flannel")
    kept = settled(files, sandbox, PRIMARY)

    with pytest.raises(ForeignError, match="portmap is busy"):
        delete(node, sandbox, files)

    assert node.foreign.told("DEL") == ["portmap", "flannel"]
    assert kept.exists()


@pytest.mark.parametrize("type_", ["polypod", "multus", "multus-shim"])
def test_what_a_meta_plugin_answered_is_not_the_primarys(
    pod: tuple[Node, Sandbox], files: Path, type_: str
) -> None:
    node, sandbox = pod
    node.foreign.add(type_)
    settled(files, sandbox, {"cniVersion": "1.0.0", "name": "meta", "type": type_})

    delete(node, sandbox, files)

    assert node.foreign.calls == []


def test_another_containers_result_is_left_alone(pod: tuple[Node, Sandbox], files: Path) -> None:
    node, sandbox = pod
    other = node.add_pod("default", "other")
    node.foreign.add("flannel")
    kept = settled(files, other, PRIMARY)

    delete(node, sandbox, files)

    assert node.foreign.calls == []
    assert kept.exists()


def test_a_result_that_makes_no_sense_ends_in_success(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    path = settled(files, sandbox, PRIMARY, result="nonsense")
    path.write_text(path.read_text()[:-9])

    delete(node, sandbox, files)

    assert node.foreign.calls == []
