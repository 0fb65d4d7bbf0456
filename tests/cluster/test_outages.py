"""What users do not see: an API server that is away, an agent that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any

import pytest
from cluster import control_plane, life, processes
from cluster.place import NODE
from tests.cluster import agent
from tests.cluster.kube import Kube, bridge, by_interface, deployment, pod, soon
from tests.cluster.traces import STATE

from polypod.plan.record import Record
from polypod.store.journal import SqliteJournal

SILENCE_S = 60


def records(namespace: str, name: str) -> tuple[Record, ...]:
    """Return the journal's complete records of a pod."""
    journal = SqliteJournal(STATE / "journal.db", read_only=True)
    try:
        return tuple(
            record
            for record in journal.all()
            if (record.pod_namespace, record.pod_name) == (namespace, name) and record.result
        )
    finally:
        journal.close()


def all_attached(kube: Kube, namespace: str) -> bool:
    """Tell whether every pod has its second interface."""
    pods = [found["metadata"]["name"] for found in kube.pods(namespace)]
    return all("net1" in kube.addresses(namespace, name) for name in pods)


@pytest.mark.usefixtures("silence")
def test_pods_are_attached_while_the_api_server_is_away(kube: Kube, namespace: str) -> None:
    kube.apply(bridge(namespace, "away", "10.83.0.0/24"), pod(namespace, "before", "away"))
    kube.wait_ready(namespace, "before")
    first = records(namespace, "before")

    processes.stop(kube.place, "kube-apiserver", signal.SIGKILL)
    began = time.monotonic()
    end_sandbox(kube, first[0].container_id)
    soon(lambda: len(made_again(namespace, first)) == 2, "a new sandbox, attached", SILENCE_S)
    inside = ["nsenter", f"--net={made_again(namespace, first)[0].netns}", "ip", "-o", "-4", "addr"]
    found = by_interface(subprocess.run(inside, capture_output=True, text=True, check=True).stdout)
    time.sleep(max(0.0, SILENCE_S - (time.monotonic() - began)))  # the silence is what is tested
    control_plane.start_api_server(kube.place)
    life.restart_watchers(kube.place)
    kube.apply(bridge(namespace, "fresh", "10.84.0.0/24"), pod(namespace, "after", "away,fresh"))
    kube.wait_ready(namespace, "after", seconds=100)

    assert set(found) == {"eth0", "net1"}
    assert {"net1", "net2"} <= set(kube.addresses(namespace, "after"))
    told = [address.partition("/")[0] for address in found["net1"]]
    soon(
        lambda: kube.status(namespace, "before")[1]["ips"] == told, "the status of the new sandbox"
    )


def end_sandbox(kube: Kube, container_id: str) -> None:
    """Kill a pod's sandbox, so that the kubelet makes another."""
    ctr = ["ctr", "--address", str(kube.place.containerd), "--namespace", "k8s.io"]
    command = [*ctr, "tasks", "kill", "--signal", "KILL", container_id]
    subprocess.run(command, capture_output=True, check=True, timeout=30)


def made_again(namespace: str, first: tuple[Record, ...]) -> tuple[Record, ...]:
    """Return the records of the pod's sandbox that is not the first one."""
    found = records(namespace, first[0].pod_name)
    return tuple(record for record in found if record.container_id != first[0].container_id)


def test_pods_start_while_the_agent_is_killed(kube: Kube, namespace: str) -> None:
    agent.renew(kube)
    kube.apply(
        bridge(namespace, "killed", "10.85.0.0/24"), deployment(namespace, "web", "killed", 10)
    )
    soon(lambda: len(kube.pods(namespace)) > 2, "some pods")

    os.kill(agent.pid(), signal.SIGKILL)

    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=110s")
    assert all_attached(kube, namespace)


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
    kube.wait_event("default", NODE, "CNIConfigurationRenamed")
    kube.apply(pod(namespace, "after"))
    kube.wait_ready(namespace, "after")


def test_an_add_reads_nothing_from_the_api_server_and_writes_one_patch(
    kube: Kube, namespace: str
) -> None:
    kube.apply(bridge(namespace, "cheap", "10.89.0.0/24"), pod(namespace, "warm", "cheap"))
    kube.wait_ready(namespace, "warm")
    soon(lambda: patched(kube, namespace) == ["warm"], "the patch of the warm pod, written down")
    before = requests(kube, namespace)

    kube.apply(pod(namespace, "counted", "cheap,cheap"))
    kube.wait_ready(namespace, "counted")
    soon(lambda: "counted" in patched(kube, namespace), "the patch, written down")

    made = requests(kube, namespace)[len(before) :]
    assert [request for request in made if request["verb"] in {"get", "list"}] == []
    assert patched(kube, namespace) == ["warm", "counted"]


def requests(kube: Kube, namespace: str) -> list[dict[str, Any]]:
    """Return what agents asked about a namespace, as far as it is written down.

    That happens after the answer: who sees an object changed may be ahead of it.
    """
    made = agent.requests(kube.place)
    return [request for request in made if request["objectRef"].get("namespace") == namespace]


def patched(kube: Kube, namespace: str) -> list[str]:
    """Return the pods whose status was patched, once for each patch."""
    patches = [one for one in requests(kube, namespace) if of_resource(one) == "pods/status"]
    return [one["objectRef"]["name"] for one in patches]


def of_resource(request: dict[str, Any]) -> str:
    """Return resource and subresource of an audited request."""
    about = request["objectRef"]
    return "/".join(about[key] for key in ("resource", "subresource") if about.get(key))
