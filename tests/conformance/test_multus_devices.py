"""Which devices a pod has by its kubelet alone, and which network gets which: rows J.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The kubelet is spoken
to over a real socket (tests/kubelet.py). test_multus_claims.py has an API server beside it.
"""

from __future__ import annotations

import pytest
from tests.conformance.multus_node import made, refused, resolved, told
from tests.kubelet import GET, LIST, Container, Kubelet

from polypod.kube.devices import KubeletDevices
from polypod.nad import devices
from polypod.testing.node import Node


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


def test_j13_a_claims_name_stands_for_its_cdi_devices(kubelet: Kubelet) -> None:
    claims = {"c1": ["vendor.com/nic=dev7"], "c2": ["unnamed", "vendor.com/nic="]}
    kubelet.add_pod("pod-namespace", "pod-name", Container(claims=claims))

    with kubelet.served():
        assert found(kubelet) == {"c1": ("dev7",)}


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


def test_j38_files_of_devices_have_flat_names() -> None:
    path = f"{devices.FOLDER}/dp/{devices.plugin_file('a/b', 'c/d')}"

    assert path == "/var/run/k8s.cni.cncf.io/devinfo/dp/a-b-c-d-device.json"
