"""Which devices a pod has, and which network gets which: rows J.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The kubelet and the
API server are spoken to over real sockets (tests/kubelet.py, polypod.testing.api_server).
"""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from tests.conformance.multus_node import made, refused, resolved, told
from tests.kubelet import GET, LIST, Container, Kubelet

from polypod.kube.access import Access
from polypod.kube.client import Client
from polypod.kube.devices import KubeletDevices
from polypod.nad import devices
from polypod.testing.api_http import CLAIMS, SLICES, Table
from polypod.testing.api_server import FakeApiServer
from polypod.testing.node import Node

PCI_A, PCI_B, PCI_C = "0000:08:00.3", "0000:08:02.2", "0000:08:02.4"
SRIOV, PORT_1, PORT_2 = "openshift/sriov", "example.com/sriov-port1", "example.com/sriov-port2"
DRIVER = "sriovnetwork.example.com"


@pytest.fixture
def kubelet() -> Generator[Kubelet]:
    with tempfile.TemporaryDirectory(prefix="kubelet-") as folder:  # a short path, for a socket
        yield Kubelet(Path(folder))


def found(kubelet: Kubelet, *, name: str = "pod-name", uid: str = "") -> dict[str, tuple[str, ...]]:
    """What a node without API server knows of a pod."""
    asked = KubeletDevices(kubelet=kubelet.folder, checkpoint=kubelet.checkpoint)
    return dict(asked.of_pod("pod-namespace", name, uid))


# The kubelet's socket.


def test_j01_a_pods_devices_are_found_by_name_and_namespace(kubelet: Kubelet) -> None:
    kubelet.add_pod("pod-namespace", "pod-name", Container(devices={"resource": ["dev0", "dev1"]}))
    kubelet.add_pod("pod-namespace", "other", Container(devices={"resource": ["dev2"]}))
    kubelet.add_pod("other", "pod-name", Container(devices={"resource": ["dev3"]}))

    with kubelet.served() as server:
        assert found(kubelet) == {"resource": ("dev0", "dev1")}

    assert server.calls == [GET]


def test_j01_a_kubelet_without_get_is_asked_for_the_list(kubelet: Kubelet) -> None:
    kubelet.has_get = False
    for number in range(300):  # longer than the first window of HTTP/2
        kubelet.add_pod("filler", f"pod-{number}", Container(devices={"a": [f"{number:0500}"]}))
    kubelet.add_pod("pod-namespace", "pod-name", Container(devices={"resource": ["dev0"]}))

    with kubelet.served() as server:
        assert found(kubelet) == {"resource": ("dev0",)}

    assert server.calls == [GET, LIST]


def test_j02_a_pod_that_the_kubelet_does_not_know_has_no_device(kubelet: Kubelet) -> None:
    with kubelet.served():
        assert found(kubelet, name="unknown") == {}


def test_j04_a_socket_that_is_none_is_an_error(kubelet: Kubelet) -> None:
    socket = kubelet.folder / "pod-resources" / "kubelet.sock"
    socket.parent.mkdir()
    socket.write_text("garbage", encoding="utf-8")

    error = refused(lambda: found(kubelet), "failed to get a ResourceClient instance")

    assert error.code == 11


def test_devices_of_all_containers_are_one_list_in_order(kubelet: Kubelet) -> None:
    kubelet.add_pod(
        "pod-namespace",
        "pod-name",
        Container(devices={"r": ["d3", "d1"], "s": ["x"]}),
        Container(devices={"r": ["d2"]}),
    )

    with kubelet.served():
        assert found(kubelet) == {"r": ("d1", "d2", "d3"), "s": ("x",)}


# The checkpoint, when there is no socket.


def test_a_kubelet_without_socket_has_a_checkpoint(kubelet: Kubelet) -> None:
    kubelet.write_checkpoint(
        ("u1", "resource", {"1": ["dev1"], "0": ["dev0"]}),
        ("u1", "other", {"-1": ["o"]}),
        ("u2", "resource", {"0": ["dev2"]}),
    )

    assert found(kubelet, uid="u1") == {"resource": ("dev0", "dev1"), "other": ("o",)}
    assert found(kubelet, uid="u3") == {}


def test_j05_without_socket_and_checkpoint_there_is_an_error(kubelet: Kubelet) -> None:
    error = refused(lambda: found(kubelet, uid="u1"), "error reading file")

    assert "mount" in error.hint


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("BAD BAD DATA", id="J07"),
        pytest.param("", id="empty"),
        pytest.param("[]", id="list"),
        pytest.param('{"Data":{"PodDeviceEntries":[{"PodUID":1}]}}', id="other types"),
        pytest.param('{"Data":null}', id="null"),
        pytest.param('{"Data":{"PodDeviceEntries":[{"PodUID":"\x80"}]}}', id="not utf-8"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_checkpoint_that_makes_no_sense_is_an_error(kubelet: Kubelet, content: str) -> None:
    kubelet.write_checkpoint().write_bytes(content.encode("latin-1"))

    refused(lambda: found(kubelet, uid="u1"), "failed to get a ResourceClient instance")


def test_j08_the_checkpoint_knows_no_pod_without_uid(kubelet: Kubelet) -> None:
    kubelet.write_checkpoint(("", "resource", {"0": ["dev0"]}))

    refused(lambda: found(kubelet, uid=""), "by their UID")


# Which network gets which.


@pytest.fixture
def node() -> Node:
    node = made()
    for name in ("net1", "net3"):
        config = f'{{"name":"{name}","type":"vendor","capabilities":{{"deviceID":true}}}}'
        node.source.add_definition("test", name, config, resource="r")
    return node


@pytest.mark.parametrize(
    ("ids", "wanted"),
    [
        pytest.param(("a", "b"), ["a", "b"], id="J10"),
        pytest.param(("a",), ["a", None], id="J11"),
    ],
)
def test_networks_get_devices_in_their_order(
    node: Node, ids: tuple[str, ...], wanted: list[str | None]
) -> None:
    node.devices.give("test", "testpod", r=ids)

    networks = resolved(node, "net1,net3")[1:]

    assert [told(one).get("deviceID") for one in networks] == wanted
    assert node.devices.asked == [("test", "testpod", "")]


def test_the_default_network_of_an_annotation_takes_its_device_from_the_same_list(
    node: Node,
) -> None:
    node.source.add_definition(
        "kube-system", "net1", '{"name":"net1","type":"vendor"}', resource="r"
    )
    node.devices.give("test", "testpod", r=("a", "b"))

    found = resolved(node, "net3", default="net1")

    assert [told(one)["deviceID"] for one in found] == ["a", "b"]


def test_a_pod_without_such_a_network_is_not_asked_about(node: Node) -> None:
    node.source.add_definition("test", "plain", '{"name":"plain","type":"vendor"}')

    resolved(node, "plain")

    assert node.devices.asked == []


# Claims for dynamic resources.


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
        client = Client(Access(host="127.0.0.1", port=self.server.port, tls=False))
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


def test_j13_a_claims_name_stands_for_its_cdi_devices(kubelet: Kubelet) -> None:
    claims = {"c1": ["vendor.com/nic=dev7"], "c2": ["unnamed", "vendor.com/nic="]}
    kubelet.add_pod("pod-namespace", "pod-name", Container(claims=claims))

    with kubelet.served():
        assert found(kubelet) == {"c1": ("dev7",)}


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


def test_j38_files_of_devices_have_flat_names() -> None:
    path = f"{devices.FOLDER}/dp/{devices.plugin_file('a/b', 'c/d')}"

    assert path == "/var/run/k8s.cni.cncf.io/devinfo/dp/a-b-c-d-device.json"
