"""Devices that the real kubelet gave a pod reach its networks: plugins' and dynamic ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cluster.drivers import device_plugin, dynamic_driver
from tests.cluster.kube import Kube, Object, bridge, pod, soon

from polypod.kube.devices import KubeletDevices
from polypod.nad.devices import FOLDER, RESOURCE_NAME

RESOURCE = "example.com/nic"
DRIVER, POOL, CARD = "nic.example.com", "cards", "0000:08:00.3"


@pytest.fixture
def kubelet(kube: Kube) -> Path:
    return kube.place.kubelet / "root"


def wanting(namespace: str, name: str, subnet: str, resource: str) -> Object:
    """Return a network that wants a device of a resource."""
    found = bridge(namespace, name, subnet)
    found["metadata"]["annotations"] = {RESOURCE_NAME: resource}
    return found


def with_devices(found: Object, number: int) -> Object:
    """Let a pod's container ask for devices."""
    wanted = {"limits": {RESOURCE: str(number)}, "requests": {RESOURCE: str(number)}}
    found["spec"]["containers"][0]["resources"] = wanted
    return found


def write_info(device: str) -> dict[str, object]:
    """Tell of a device as its plugin would."""
    folder = Path(FOLDER) / "dp"
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, object] = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": device}}
    name = f"{RESOURCE.replace('/', '-')}-{device}-device.json"
    (folder / name).write_text(json.dumps(told), encoding="utf-8")
    return told


def test_two_networks_share_the_devices_of_a_plugin(
    kube: Kube, namespace: str, kubelet: Path
) -> None:
    told = [write_info(device) for device in ("nic-a", "nic-b")]
    kube.apply(wanting(namespace, "fast", "10.81.0.0/24", RESOURCE))
    with device_plugin(RESOURCE, "nic-b", "nic-a"):
        kube.apply(with_devices(pod(namespace, "p", "fast,fast"), 2))
        kube.wait_ready(namespace, "p")

        status = kube.status(namespace, "p")
        held = KubeletDevices(kubelet=kubelet).of_pod(namespace, "p", "")
        files = sorted(Path(FOLDER, "cni").iterdir())
        kube("-n", namespace, "delete", "pod", "p")

    assert dict(held) == {RESOURCE: ("nic-a", "nic-b")}
    assert [entry.get("device-info") for entry in status] == [None, *told]
    assert [file.name.rpartition("_")[2] for file in files] == ["net1", "net2"]
    soon(lambda: not list(Path(FOLDER, "cni").iterdir()), "the end of the files")


def test_the_checkpoint_of_the_real_kubelet_is_read(
    kube: Kube, namespace: str, tmp_path: Path
) -> None:
    with device_plugin(RESOURCE, "nic-a"):
        kube.apply(with_devices(pod(namespace, "p"), 1))
        kube.wait_ready(namespace, "p")
        uid = (kube.get(namespace, "pod", "p") or {})["metadata"]["uid"]

        found = KubeletDevices(kubelet=tmp_path).of_pod(namespace, "p", uid)

        kube("-n", namespace, "delete", "pod", "p")
    assert dict(found) == {RESOURCE: ("nic-a",)}


def dynamic(namespace: str) -> list[Object]:
    """Return a class, a slice with one card, and a claim for it."""
    api = "resource.k8s.io/v1"
    selector = {"cel": {"expression": f'device.driver == "{DRIVER}"'}}
    attributes = {
        "k8s.cni.cncf.io/deviceID": {"string": CARD},
        "k8s.cni.cncf.io/resourceName": {"string": RESOURCE},
    }
    pool = {"name": POOL, "generation": 1, "resourceSliceCount": 1}
    return [
        {
            "apiVersion": api,
            "kind": "DeviceClass",
            "metadata": {"name": DRIVER},
            "spec": {"selectors": [selector]},
        },
        {
            "apiVersion": api,
            "kind": "ResourceSlice",
            "metadata": {"name": "cards-of-node1"},
            "spec": {
                "driver": DRIVER,
                "pool": pool,
                "nodeName": "node1",
                "devices": [{"name": "card-1", "attributes": attributes}],
            },
        },
        {
            "apiVersion": api,
            "kind": "ResourceClaim",
            "metadata": {"namespace": namespace, "name": "my-card"},
            "spec": {
                "devices": {"requests": [{"name": "nic", "exactly": {"deviceClassName": DRIVER}}]}
            },
        },
    ]


def test_a_network_gets_the_device_of_a_claim(kube: Kube, namespace: str, kubelet: Path) -> None:
    told = write_info(CARD)
    claimer = pod(namespace, "p", "fast")
    claimer["spec"]["resourceClaims"] = [{"name": "card", "resourceClaimName": "my-card"}]
    claimer["spec"]["containers"][0]["resources"] = {"claims": [{"name": "card"}]}
    kube.apply(wanting(namespace, "fast", "10.82.0.0/24", RESOURCE))
    with dynamic_driver(kubelet, DRIVER, POOL):
        kube.apply(*dynamic(namespace), claimer)
        try:
            kube.wait_ready(namespace, "p", seconds=60)
            status = kube.status(namespace, "p")
        finally:
            kube("-n", namespace, "delete", "pod", "p", "--timeout=60s")
            kube("-n", namespace, "delete", "resourceclaim", "my-card", "--timeout=60s")
            kube("delete", "resourceslice", "cards-of-node1")
            kube("delete", "deviceclass", DRIVER)

    assert [entry.get("device-info") for entry in status] == [None, told]
