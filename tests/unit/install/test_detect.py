"""What a cluster runs on is read from its nodes and DaemonSets; what is not recognised is open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from polypod.errors import InvalidConfigError
from polypod.install import detect
from polypod.install.platforms import PLATFORMS, PRIMARIES
from polypod.kube.client import Query

UBUNTU = "Ubuntu 24.04.3 LTS"


def node(
    name: str,
    image: str = UBUNTU,
    version: str = "v1.34.1",
    provider: str = "",
    **annotations: str,
) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"providerID": provider} if provider else {},
        "status": {"nodeInfo": {"osImage": image, "kubeletVersion": version}},
    }


def daemon_set(name: str, namespace: str = "kube-system") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}}


class Cluster:
    """Answers two lists."""

    def __init__(self, nodes: list[Any], daemon_sets: list[Any]) -> None:
        self.lists: Mapping[str, list[Any]] = {
            "/api/v1/nodes": nodes,
            "/apis/apps/v1/daemonsets": daemon_sets,
        }
        self.asked: list[str] = []

    def get(self, query: Query, *, timeout_s: float) -> bytes:
        assert timeout_s <= 10
        self.asked.append(query.path)
        return json.dumps({"items": self.lists[query.path]}).encode()


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (node("a", image="Talos (v1.13.2)"), "talos"),
        (node("a", version="v1.34.1+k3s1"), "k3s"),
        (node("a", version="v1.34.1+rke2r1"), "rke2"),
        (node("kind-control-plane", provider="kind://docker/kind/kind-control-plane"), "kind"),
        (node("a"), "kubeadm"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_platform_is_read_from_the_nodes(made: dict[str, Any], expected: str) -> None:
    found = detect.platform(Cluster([made], []))

    assert found.name == expected
    assert made["status"]["nodeInfo"]["osImage"] in found.seen
    assert found.name in PLATFORMS


def test_nodes_of_several_kinds_are_refused_with_their_number() -> None:
    nodes = [node("a", image="Talos (v1.13.2)"), node("b"), node("c")]

    with pytest.raises(InvalidConfigError, match="2 of kubeadm, 1 of talos"):
        detect.platform(Cluster(nodes, []))


def test_a_cluster_without_nodes_is_refused() -> None:
    with pytest.raises(InvalidConfigError, match="no nodes"):
        detect.platform(Cluster([], []))


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("kube-proxy", "cilium"), "cilium"),
        (("calico-node",), "calico"),
        (("rke2-canal",), "calico"),
        (("kube-flannel-ds",), "flannel"),
        (("kube-flannel", "cilium"), "cilium"),
        (("kindnet",), ""),
    ],
)
def test_the_primary_is_read_from_the_daemon_sets(names: tuple[str, ...], expected: str) -> None:
    cluster = Cluster([node("a")], [daemon_set(name) for name in names])

    found = detect.primary(cluster)

    assert found.name == expected
    assert found.name in {*PRIMARIES, ""}


def test_the_flannel_of_k3s_is_known_by_its_annotation() -> None:
    made = node("a", version="v1.34.1+k3s1", **{detect.FLANNEL: "vxlan"})

    found = detect.primary(Cluster([made], [daemon_set("svclb-traefik")]))

    assert found.name == "flannel"
    assert "node a" in found.seen


def test_one_release_of_talos_is_read_from_all_nodes() -> None:
    nodes = [node("a", image="Talos (v1.13.2)"), node("b", image="Talos (v1.13.0-beta.1)")]

    assert detect.talos_release(Cluster(nodes, [])).name == "1.13"


@pytest.mark.parametrize(
    "images", [(), ("Talos (v1.13.2)", "Talos (v1.12.1)"), ("Talos (v1.13.2)", UBUNTU)]
)
def test_nodes_that_differ_have_no_one_release(images: tuple[str, ...]) -> None:
    nodes = [node(str(number), image=image) for number, image in enumerate(images)]

    with pytest.raises(InvalidConfigError, match="one release of Talos"):
        detect.talos_release(Cluster(nodes, []))


def test_only_two_lists_are_asked_for() -> None:
    cluster = Cluster([node("a")], [])

    detect.platform(cluster)
    detect.primary(cluster)

    assert set(cluster.asked) == {"/api/v1/nodes", "/apis/apps/v1/daemonsets"}


def test_nodes_are_read_as_the_api_writes_them() -> None:
    text = json.dumps({"kind": "NodeList", "items": [node("a") | {"kind": "Node"}]})

    (found,) = msgspec.json.decode(text, type=detect.Nodes).items

    assert found.status.node_info.kubelet_version == "v1.34.1"
