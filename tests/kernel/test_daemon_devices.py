"""A network's device, with the real daemon: from a kubelet's socket to network-status and back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.kernel.live import BRIDGE, Live
from tests.kubelet import Container, Kubelet

from polypod.nad.devices import RESOURCE_NAME

RESOURCE = "example.com/nic"
INFO = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": "0000:08:00.3"}}


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live()
    config = {
        "cniVersion": "1.0.0",
        "name": "fast",
        "type": "bridge",
        "bridge": BRIDGE,
        "ipam": {"type": "host-local", "subnet": "10.67.0.0/24"},
    }
    write(node, "NetworkAttachmentDefinition", "fast", {RESOURCE_NAME: RESOURCE}, config)
    write(node, "Pod", "dev", {"k8s.v1.cni.cncf.io/networks": "fast,fast"})
    node.options += [
        *("--status", str(node.folder / "status")),
        *("--kubelet", str(node.folder / "kubelet")),
        *("--device-info", str(node.folder / "devinfo")),
    ]
    yield node
    node.close()


def write(
    live: Live, kind: str, name: str, annotations: dict[str, str], config: object = None
) -> None:
    metadata = {"name": name, "namespace": "default", "annotations": annotations}
    found = {"kind": kind, "metadata": metadata, "spec": {"config": json.dumps(config)}}
    (live.folder / "manifests" / f"{name}.yaml").write_text(yaml.safe_dump(found))


def status(live: Live) -> list[dict[str, Any]]:
    return list(json.loads((live.folder / "status" / "default" / "dev.json").read_text()))


def files(live: Live) -> list[Path]:
    return sorted((live.folder / "devinfo" / "cni").glob("*"))


def test_devices_reach_networks_and_leave_with_them(live: Live) -> None:
    kubelet = Kubelet(live.folder / "kubelet")
    kubelet.add_pod("default", "dev", Container(devices={RESOURCE: ["d2", "d1"]}))
    told = live.folder / "devinfo" / "dp" / "example.com-nic-d2-device.json"
    told.parent.mkdir(parents=True)
    told.write_text(json.dumps(INFO))
    live.start()
    live.sandbox("dev")

    with kubelet.served() as server:
        added = live.call("ADD", "dev")
        shown, kept = status(live), files(live)
        ended = live.call("DEL", "dev")

    assert (added.code, ended.code) == (0, 0), live.logged()
    assert server.calls == ["/v1.PodResourcesLister/Get"]
    assert [entry.get("device-info") for entry in shown] == [None, None, INFO]
    assert [file.name for file in kept] == ["default-fast-dev_net2"]
    assert files(live) == [] and not live.records()


def test_a_kubelet_that_is_away_is_said_and_the_runtime_may_try_again(live: Live) -> None:
    socket = live.folder / "kubelet" / "pod-resources" / "kubelet.sock"
    socket.parent.mkdir(parents=True)
    socket.touch()  # nobody listens there
    live.start()
    live.sandbox("dev")

    added = live.call("ADD", "dev")

    assert added.json["code"] == 11
    assert "failed to get a ResourceClient instance" in added.json["msg"]
    assert "Connection refused" in added.json["msg"]
    assert live.links_of("dev") == set() and not live.records() and not live.leases()
