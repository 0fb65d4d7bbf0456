"""Claims for dynamic resources, beside what the kubelet gave itself: rows J.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The kubelet and the
API server are spoken to over real sockets (tests/kubelet.py, polypod.testing.api_server).
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing, contextmanager

import pytest
from tests.conformance.multus_node import refused
from tests.kubelet import Container, Kubelet

from polypod.kube.client import Client
from polypod.kube.devices import KubeletDevices
from polypod.testing.api_http import CLAIMS, SLICES, Table
from polypod.testing.api_server import FakeApiServer

PCI_A, PCI_B, PCI_C = "0000:08:00.3", "0000:08:02.2", "0000:08:02.4"
SRIOV, PORT_1, PORT_2 = "openshift/sriov", "example.com/sriov-port1", "example.com/sriov-port2"
DRIVER = "sriovnetwork.example.com"


def device(name: str, **attributes: str) -> Table:
    told: Table = {f"k8s.cni.cncf.io/{key}": {"string": value} for key, value in attributes.items()}
    return {"name": name, "attributes": told | {"vendor.com/vlans": {"int": 7}}}


class Cluster:
    """An API server with claims and slices, beside a kubelet."""

    def __init__(self, server: FakeApiServer, kubelet: Kubelet) -> None:
        self.server = server
        self.kubelet = kubelet
        self._slices = 0

    def slice(self, *devices: Table, node: str = "node-1", pool: str = "p1", age: int = 1) -> None:
        self._slices += 1
        spec: Table = {"driver": DRIVER, "nodeName": node, "devices": list(devices)}
        spec |= {"pool": {"name": pool, "generation": age, "resourceSliceCount": 1}}
        self.server.put(SLICES, {"metadata": {"name": f"s{self._slices}"}, "spec": spec})

    def claim(self, name: str, *devices: str, driver: str = DRIVER, pool: str = "p1") -> None:
        results = [
            {"request": "r", "driver": driver, "pool": pool, "device": one} for one in devices
        ]
        status = {"allocation": {"devices": {"results": results}}} if devices else {}
        metadata = {"name": name, "namespace": "pod-namespace"}
        self.server.put(CLAIMS, {"metadata": metadata, "status": status})

    def pod(self, *claims: str, **devices: list[str]) -> None:
        held = Container(devices=devices, claims=dict.fromkeys(claims, ()))
        self.kubelet.add_pod("pod-namespace", "pod-name", held)

    def found(self, times: int = 1) -> dict[str, tuple[str, ...]]:
        client = Client(self.server.access)
        asked = KubeletDevices(kubelet=self.kubelet.folder, client=client, node="node-1")
        found: dict[str, tuple[str, ...]] = {}
        with closing(client):
            for _ in range(times):
                found = dict(asked.of_pod("pod-namespace", "pod-name", ""))
        return found

    def asked(self, collection: str) -> int:
        return sum(collection in request for request in self.server.requests)


@contextmanager
def served(kubelet: Kubelet) -> Generator[Cluster]:
    with FakeApiServer() as server, kubelet.served():
        yield Cluster(server, kubelet)


@pytest.fixture
def cluster(kubelet: Kubelet) -> Generator[Cluster]:
    with served(kubelet) as found:
        yield found


def test_j14_without_claims_nobody_is_asked(cluster: Cluster) -> None:
    cluster.pod(legacy=["0000:01:00.4"])

    assert cluster.found() == {"legacy": ("0000:01:00.4",)}
    assert cluster.server.requests == []


def test_j16_slices_of_other_nodes_do_not_count(cluster: Cluster) -> None:
    cluster.slice(device("d1", deviceID="wrong", resourceName=SRIOV), node="node-2")
    cluster.slice(device("d1", deviceID="other-pool", resourceName=SRIOV), pool="p2")
    cluster.slice(device("d1", deviceID=PCI_A, resourceName=SRIOV))
    cluster.claim("c1", "d1")
    cluster.pod("c1")

    assert cluster.found() == {SRIOV: (PCI_A,)}


def test_j17_two_devices_of_one_resource(cluster: Cluster) -> None:
    cluster.slice(
        device("d2", deviceID=PCI_B, resourceName=SRIOV),
        device("d1", deviceID=PCI_A, resourceName=SRIOV),
    )
    cluster.claim("c1", "d2", "d1")
    cluster.pod("c1")

    assert cluster.found() == {SRIOV: (PCI_A, PCI_B)}


@pytest.mark.parametrize(
    ("second", "wanted"),
    [
        pytest.param([], {PORT_1: (PCI_A,), PORT_2: (PCI_B,)}, id="J19"),
        pytest.param(["d3"], {PORT_1: (PCI_A, PCI_C), PORT_2: (PCI_B,)}, id="J20"),
    ],
)
def test_extended_resources_are_claims_to_the_kubelet(
    cluster: Cluster, second: list[str], wanted: dict[str, tuple[str, ...]]
) -> None:
    """The claim that a scheduler makes for them is one of the pod's: the status is not read."""
    cluster.slice(
        device("d1", deviceID=PCI_A, resourceName=PORT_1),
        device("d2", deviceID=PCI_B, resourceName=PORT_2),
        device("d3", deviceID=PCI_C, resourceName=PORT_1),
    )
    cluster.claim("pod-name-extended-resources-x", "d1", "d2", *second)
    cluster.pod("pod-name-extended-resources-x")

    assert cluster.found() == wanted


def test_j22_a_claim_that_is_not_there_is_an_error(cluster: Cluster) -> None:
    cluster.pod("c1")

    refused(cluster.found, "failed to get resourceMap from DRA client: API server: 404")
    refused(cluster.found, "not found")


@pytest.mark.parametrize("name", ["d1", "d9"], ids=["J23-no-slice", "J23-no-device"])
def test_j23_a_device_that_no_slice_has_is_passed_over(cluster: Cluster, name: str) -> None:
    if name == "d9":
        cluster.slice(device("d1", deviceID=PCI_A, resourceName=SRIOV))
    cluster.claim("c1", name)
    cluster.pod("c1")

    assert cluster.found() == {}


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({"deviceID": PCI_A}, id="J25"),
        pytest.param({"resourceName": SRIOV}, id="no-device-id"),
        pytest.param({}, id="none"),
    ],
)
def test_a_device_without_the_attributes_is_passed_over(
    cluster: Cluster, attributes: dict[str, str]
) -> None:
    cluster.slice(device("d1", **attributes))
    cluster.claim("c1", "d1")
    cluster.pod("c1")

    assert cluster.found() == {}


def test_j26_what_the_kubelet_gave_stays_beside_a_claim_without_network_devices(
    cluster: Cluster,
) -> None:
    cluster.slice({"name": "d1"})
    cluster.claim("c1", "d1")
    cluster.pod("c1", legacy=["0000:01:00.4"])

    assert cluster.found() == {"legacy": ("0000:01:00.4",)}


def test_j28_a_claim_that_two_containers_share_is_asked_for_once(cluster: Cluster) -> None:
    cluster.slice(device("d1", deviceID=PCI_A, resourceName=SRIOV))
    cluster.claim("c1", "d1")
    held = Container(claims={"c1": ()})
    cluster.kubelet.add_pod("pod-namespace", "pod-name", held, held)

    assert cluster.found() == {SRIOV: (PCI_A,)}
    assert cluster.asked("resourceclaims") == 1


def test_nothing_is_kept_from_one_call_to_the_next(cluster: Cluster) -> None:
    cluster.slice(device("d1", deviceID=PCI_A, resourceName=SRIOV))
    cluster.claim("c1", "d1")
    cluster.pod("c1")

    cluster.found(times=2)

    assert cluster.asked("resourceclaims") == 2


def test_j29_slices_of_a_driver_are_listed_once(cluster: Cluster) -> None:
    cluster.slice(
        device("d1", deviceID=PCI_A, resourceName=PORT_1),
        device("d2", deviceID=PCI_B, resourceName=PORT_2),
    )
    cluster.claim("c1", "d1")
    cluster.claim("c2", "d2")
    cluster.pod("c1", "c2")

    assert cluster.found() == {PORT_1: (PCI_A,), PORT_2: (PCI_B,)}
    assert cluster.asked("resourceslices") == 1


@pytest.mark.parametrize(
    ("own", "claimed", "wanted"),
    [
        pytest.param(["b"], "a", ("a", "b"), id="J31"),
        pytest.param(["0000:01:00.4"], "0000:02:00.4", ("0000:01:00.4", "0000:02:00.4"), id="J34"),
        pytest.param(["a"], "a", ("a",), id="one device told twice"),
    ],
)
def test_claimed_devices_stand_beside_the_kubelets(
    cluster: Cluster, own: list[str], claimed: str, wanted: tuple[str, ...]
) -> None:
    cluster.slice(device("d1", deviceID=claimed, resourceName=SRIOV))
    cluster.claim("c1", "d1")
    cluster.pod("c1", **{SRIOV: own})

    assert cluster.found() == {SRIOV: wanted}


def test_j32_a_pool_may_have_several_slices(cluster: Cluster) -> None:
    cluster.slice(device("d1", deviceID=PCI_A, resourceName=SRIOV))
    cluster.slice(device("d2", deviceID=PCI_B, resourceName=SRIOV))
    cluster.claim("c1", "d2")
    cluster.pod("c1")

    assert cluster.found() == {SRIOV: (PCI_B,)}


def test_of_a_pool_that_was_published_again_the_newer_devices_count(cluster: Cluster) -> None:
    cluster.slice(device("d1", deviceID=PCI_B, resourceName=SRIOV), age=2)
    cluster.slice(device("d1", deviceID=PCI_A, resourceName=SRIOV), age=1)
    cluster.claim("c1", "d1")
    cluster.pod("c1")

    assert cluster.found() == {SRIOV: (PCI_B,)}


def test_j35_a_claim_for_something_else_adds_nothing(cluster: Cluster) -> None:
    cluster.claim("gpu", "gpu-0", driver="gpu.example.com")
    cluster.pod("gpu", **{SRIOV: [PCI_A]})

    assert cluster.found() == {SRIOV: (PCI_A,)}


def test_j37_a_claim_without_allocation_is_an_error(cluster: Cluster) -> None:
    cluster.claim("c1")
    cluster.pod("c1")

    error = refused(cluster.found, "claim c1 has no device allocation")

    assert error.code == 11
