"""Pods as the API server knows them: gone, late, made again, static: rows K20, K21, N23 and N29.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The engine's doors are
those in memory; pods and definitions come over HTTP from the API server in memory.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.multus_node import made

from polypod.daemon import cluster
from polypod.engine import attach, detach
from polypod.engine.doors import Caller, Doors
from polypod.engine.resolve import NETWORKS
from polypod.errors import (
    ConflictError,
    InvalidConfigError,
    NoNetworkError,
    PolypodError,
    TryAgainError,
)
from polypod.kube.cache import ApiSource
from polypod.kube.client import Client
from polypod.kube.status_patches import ANNOTATION, StatusPatches
from polypod.testing.api_http import DEFINITIONS, PODS, Table
from polypod.testing.api_server import FakeApiServer
from polypod.testing.node import CONFIG, Node, Sandbox

NODE = "node1"
SOON_S = 10.0


@dataclass(slots=True)
class Joined:
    """A node in memory whose source of pods is an API server."""

    node: Node
    api: FakeApiServer
    source: ApiSource
    status: StatusPatches

    @property
    def doors(self) -> Doors:
        return replace(self.node.doors(), source=self.source, status=self.status)

    def put_pod(self, name: str, networks: str = "", uid: str = "u1", **annotations: str) -> None:
        self.api.put(PODS, pod(name, uid, {NETWORKS: networks, **annotations}))

    def sandbox(self, name: str, uid: str = "u1") -> Sandbox:
        return self.node.sandbox(f"c-{name}", namespace="test", pod=name, uid=uid)

    def add(self, name: str, uid: str = "u1", version: str = "1.1.0") -> dict[str, Any]:
        request = self.sandbox(name, uid).request("ADD", {**CONFIG, "cniVersion": version})
        return dict(json.loads(attach.attach(request, Caller(), self.doors)))

    def delete(self, name: str, uid: str = "u1") -> None:
        detach.detach(self.sandbox(name, uid).request("DEL"), Caller(), self.doors)


def pod(name: str, uid: str, annotations: dict[str, str]) -> Table:
    metadata = {"namespace": "test", "name": name, "uid": uid, "annotations": annotations}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": NODE}}


@pytest.fixture
def joined() -> Iterator[Joined]:
    with FakeApiServer() as api:
        client = Client(api.access)
        source, status = ApiSource(client, NODE, appear_s=0.3), StatusPatches(client)
        source.start()
        status.start()
        assert source.wait_synced(SOON_S)
        try:
            yield Joined(made(), api, source, status)
        finally:
            status.stop(SOON_S)
            source.stop()
            client.close()


@pytest.mark.parametrize("version", ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
def test_k20_for_a_pod_that_is_gone_nothing_is_made(joined: Joined, version: str) -> None:
    """The reference's daemon breaks down here when the version is below 1.0.0."""
    answer = joined.add("gone", version=version)

    assert answer["cniVersion"] == version
    assert "0.0.0.0/0" in json.dumps(answer)
    assert joined.node.foreign.calls == []
    assert joined.node.journal.all() == ()


def test_k20_the_answer_is_an_interface_without_address(joined: Joined) -> None:
    answer = joined.add("gone")

    netns = joined.sandbox("gone").netns
    assert answer["interfaces"] == [{"name": "eth0", "sandbox": netns}]
    assert answer["ips"] == [{"address": "0.0.0.0/0", "gateway": "0.0.0.0"}]


def test_k20_a_pod_that_is_gone_is_deleted_with_success(joined: Joined) -> None:
    joined.add("gone")

    joined.delete("gone")

    assert joined.node.foreign.calls == []


def test_a_call_that_names_no_pod_is_not_one_of_a_pod_that_is_gone(joined: Joined) -> None:
    request = joined.node.sandbox("c1").request("ADD")

    attach.attach(request, Caller(), joined.doors)

    assert joined.node.foreign.told("ADD") == ["mynet2"]


def test_k21_a_pod_that_appears_while_it_is_waited_for_is_attached(joined: Joined) -> None:
    late = threading.Timer(0.1, joined.put_pod, ("late", ""))
    late.start()

    joined.add("late")

    late.join()
    assert joined.node.foreign.told("ADD") == ["mynet2"]


def test_a_pod_that_was_made_again_is_asked_for_and_refused(joined: Joined) -> None:
    joined.put_pod("again", uid="new")

    with pytest.raises(ConflictError, match='expected pod UID "old" but got "new"'):
        joined.add("again", uid="old")

    assert joined.node.foreign.calls == []
    gets = [line for line in joined.api.requests if line.endswith("/pods/again")]
    assert len(gets) == 1  # what is in memory might be older than what the runtime knows


def test_a_pod_that_memory_knows_by_an_older_uid_is_asked_for(joined: Joined) -> None:
    joined.api.put(DEFINITIONS, definition("net1"))
    joined.put_pod("again", uid="old")
    soon(lambda: [known.uid for known in joined.source.pods()] == ["old"])
    joined.source.stop()  # no watch tells of the new one
    joined.put_pod("again", networks="net1", uid="new")

    joined.add("again", uid="new")

    assert joined.node.foreign.told("ADD") == ["mynet2", "mynet1"]


def test_a_static_pod_is_attached_though_its_uid_is_another(joined: Joined) -> None:
    annotations = {"kubernetes.io/config.source": "file", "kubernetes.io/config.mirror": "hash"}
    joined.api.put(DEFINITIONS, definition("net1"))
    joined.put_pod("static", networks="net1", uid="mirror", **annotations)

    joined.add("static", uid="hash")
    joined.delete("static", uid="hash")

    assert joined.node.foreign.told("ADD") == ["mynet2", "mynet1"]
    assert joined.node.foreign.told("DEL") == ["mynet1", "mynet2"]


def test_a_pod_that_vanished_after_its_add_is_deleted_whole(joined: Joined) -> None:
    joined.api.put(DEFINITIONS, definition("net1"))
    joined.put_pod("short", networks="net1")
    joined.add("short")
    joined.api.delete(PODS, "test", "short")
    joined.api.delete(DEFINITIONS, "test", "net1")

    joined.delete("short")

    assert joined.node.foreign.told("DEL") == ["mynet1", "mynet2"]
    assert joined.node.journal.all() == ()


def test_an_operators_networks_are_definitions_of_the_api(joined: Joined) -> None:
    for name in ("net1", "net3"):
        joined.api.put(DEFINITIONS, definition(name, namespace="kube-system"))
    joined.node.settings = replace(
        joined.node.settings, cluster_network="net1", default_networks=("net3",)
    )
    joined.put_pod("p")

    joined.add("p")

    assert joined.node.foreign.told("ADD") == ["mynet1", "mynet3"]


def test_a_network_that_is_a_file_is_looked_for_once_in_a_while(joined: Joined) -> None:
    joined.node.networks.named["file1"] = b'{"name":"f","type":"mynet3","cniVersion":"1.0.0"}'
    joined.node.settings = replace(joined.node.settings, cluster_network="file1")

    for name in ("a", "b", "c"):
        joined.put_pod(name)
        joined.add(name)

    asked = [line for line in joined.api.requests if line.endswith("/file1")]
    assert joined.node.foreign.told("ADD") == ["mynet3"] * 3
    assert len(asked) == 1


def test_a_definition_that_was_missing_is_known_when_it_is_created(joined: Joined) -> None:
    joined.put_pod("p", networks="net1")
    with pytest.raises(NoNetworkError):
        joined.add("p")

    joined.api.put(DEFINITIONS, definition("net1"))
    soon(lambda: joined.source.definition("test", "net1") is not None)
    joined.add("p")

    assert joined.node.foreign.told("ADD") == ["mynet2", "mynet1"]


def test_the_default_network_annotation_names_a_definition_of_the_api(joined: Joined) -> None:
    joined.api.put(DEFINITIONS, definition("net3", namespace="kube-system"))
    joined.put_pod("p", **{"v1.multus-cni.io/default-network": "net3"})

    joined.add("p")

    assert joined.node.foreign.told("ADD") == ["mynet3"]


def test_a_server_that_is_away_makes_no_pod_gone(joined: Joined) -> None:
    joined.api.fail_next.extend([503] * 8)

    with pytest.raises(PolypodError) as raised:
        joined.add("unknown")

    assert raised.value.code == TryAgainError.code
    assert joined.node.foreign.calls == []


def test_n29_the_status_is_written_by_way_of_the_pods_status(joined: Joined) -> None:
    """The reference replaces the whole pod (PUT); ours is a merge patch of the annotation."""
    joined.node.foreign.add(
        "mynet2",
        b'{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/n"}],'
        b'"ips":[{"address":"10.0.0.2/24","interface":0}]}',
    )
    joined.put_pod("p")

    joined.add("p")
    joined.status.stop(SOON_S)

    writes = [line for line in joined.api.requests if not line.startswith("GET")]
    found = joined.api.get(PODS, "test", "p")
    assert writes == ["PATCH /api/v1/namespaces/test/pods/p/status"]
    assert found is not None
    assert '"10.0.0.2"' in found["metadata"]["annotations"][ANNOTATION]


@pytest.mark.parametrize("text", ["", "{", "clusters: []\ncurrent-context: none\n"])
def test_n23_a_kubeconfig_that_cannot_be_used_is_an_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidConfigError):
        cluster.find(path, is_in_cluster=False, environment={"NODE_NAME": NODE})


def test_n23_a_kubeconfig_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolypodError):
        cluster.find(tmp_path / "none", is_in_cluster=False, environment={"NODE_NAME": NODE})


def definition(name: str, namespace: str = "test") -> Table:
    config = {"name": name, "type": f"my{name}", "cniVersion": "1.0.0"}
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"config": json.dumps(config)},
    }


def soon(holds: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(1000):
        if holds():
            return
        waited.wait(0.01)
    raise AssertionError("did not come about in time")
