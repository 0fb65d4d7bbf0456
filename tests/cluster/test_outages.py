"""What users do not see: an API server away, an agent that is killed, upgraded or removed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest
from cluster import control_plane, processes
from cluster.place import NODE
from tests.cluster import agent
from tests.cluster.kube import NETWORKS, Kube, Object, bridge, pod, soon, spec
from tests.cluster.traces import Traces

SILENCE_S = 20


def deployment(namespace: str, name: str, network: str, replicas: int) -> Object:
    """Return a deployment whose pods have one more network."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}, "annotations": {NETWORKS: network}},
                "spec": spec(),
            },
        },
    }


def all_attached(kube: Kube, namespace: str) -> bool:
    """Tell whether every pod has its second interface."""
    pods = [found["metadata"]["name"] for found in kube.pods(namespace)]
    return all("net1" in kube.addresses(namespace, name) for name in pods)


def test_an_api_server_that_was_away_is_heard_again(kube: Kube, namespace: str) -> None:
    kube.apply(bridge(namespace, "away", "10.83.0.0/24"), pod(namespace, "before", "away"))
    kube.wait_ready(namespace, "before")

    processes.stop(kube.place, "kube-apiserver", signal.SIGKILL)
    time.sleep(SILENCE_S)  # the time that is to pass is what is tested
    control_plane.start_api_server(kube.place)
    kube.apply(bridge(namespace, "fresh", "10.84.0.0/24"), pod(namespace, "after", "away,fresh"))

    # The control plane and the kubelet come back by back-off, of up to half a minute each.
    kube.wait_ready(namespace, "after", seconds=240)
    assert {"net1", "net2"} <= set(kube.addresses(namespace, "after"))


def test_pods_start_while_the_agent_is_killed(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "killed", "10.85.0.0/24"), deployment(namespace, "web", "killed", 10)
    )
    soon(lambda: len(kube.pods(namespace)) > 2, "some pods")

    os.kill(agent.pid(), signal.SIGKILL)

    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=110s")
    assert all_attached(kube, namespace)


def test_pods_start_while_the_agent_is_upgraded(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "upgraded", "10.86.0.0/24"), deployment(namespace, "web", "upgraded", 10)
    )

    kube("-n", agent.NAMESPACE, "set", "env", "daemonset/polypod", f"RELEASE={time.time()}")
    agent.wait(kube)

    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=110s")
    assert all_attached(kube, namespace)


@pytest.fixture
def gone(kube: Kube, installed: None) -> Iterator[None]:
    """Put the agent back after a case that takes it away; it takes back what it had left."""
    del installed
    before = Traces.of(kube.place)
    yield
    agent.install(kube, kube.place)
    Traces.wait_equal(kube.place, before, 60)


def test_a_node_without_its_agent_goes_back_to_its_primary(kube: Kube, gone: None) -> None:
    del gone
    namespace = kube.make_namespace()
    kube.apply(bridge(namespace, "left", "10.87.0.0/24"), pod(namespace, "old", "left"))
    kube.wait_ready(namespace, "old")

    kube("-n", agent.NAMESPACE, "delete", "daemonset", "polypod", "--wait=true")
    conf = kube.place.cni_conf / "00-polypod.conflist"
    soon(lambda: not conf.exists(), "the end of our configuration")
    kube.apply(pod(namespace, "plain"))
    kube.wait_ready(namespace, "plain")

    assert set(kube.addresses(namespace, "plain")) == {"eth0"}
    kube.delete_namespace(namespace)


def test_an_agent_writes_only_its_annotation_and_only_here(kube: Kube, namespace: str) -> None:
    kube.apply(pod(namespace, "watched"))
    kube.wait_ready(namespace, "watched")
    token = kube("-n", agent.NAMESPACE, "create", "token", "polypod").strip()

    for change in (
        '{"metadata":{"annotations":{"k8s.v1.cni.cncf.io/network-status":"[]"}}}',
        '{"metadata":{"labels":{"app":"stolen"}}}',
        '{"status":{"podIP":"1.2.3.4"}}',
    ):
        words = ("patch", "pod", "watched", "--subresource=status", "--type=merge", "-p", change)
        kube("-n", namespace, f"--token={token}", *words, code=1)

    got = kube.get(namespace, "pod", "watched")
    assert got is not None and got["metadata"]["labels"] == {"app": "watched"}


def test_a_renamed_configuration_comes_back_and_is_told_on_the_node(
    kube: Kube, namespace: str
) -> None:
    conf = kube.place.cni_conf / "00-polypod.conflist"

    conf.rename(f"{conf}.cilium_bak")

    soon(conf.exists, "our configuration again")
    soon(
        lambda: any(
            event["reason"] == "CNIConfigurationRenamed" for event in kube.events("default", NODE)
        ),
        "an event on the node",
    )
    kube.apply(pod(namespace, "after"))
    kube.wait_ready(namespace, "after")
