"""A node that was rebooted: its pods come back with their networks, or it is told which did not."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial

import msgspec
import pytest
from cluster import reboot
from tests.cluster import agent
from tests.cluster.kube import Kube, bridge, pod, soon
from tests.cluster.traces import STATE

from polypod.store.journal import SqliteJournal


@pytest.fixture
def two_pods(kube: Kube, namespace: str) -> str:
    """Start a pod with a network, and one without; return their namespace."""
    kube.apply(
        bridge(namespace, "disk", "10.90.0.0/24"),
        pod(namespace, "asks", "disk"),
        pod(namespace, "plain"),
    )
    kube.wait_ready(namespace, "asks", "plain")
    return namespace


def forget_this_boot() -> None:
    """Make the journal's records those of an earlier boot: the kernel is the same one."""
    journal = SqliteJournal(STATE / "journal.db")
    earlier = [msgspec.structs.replace(record, boot_id="before") for record in journal.all()]
    journal.put(*earlier)
    journal.close()


@contextmanager
def no_agent_serves() -> Generator[None]:
    """Own the state folder, so that an agent that starts has to wait."""
    fd = os.open(STATE / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(fd)


def is_back(kube: Kube, namespace: str, name: str) -> bool:
    """Tell whether the kubelet has started a pod's container anew."""
    found = kube.get(namespace, "pod", name) or {}
    (container,) = found.get("status", {}).get("containerStatuses", [{}])
    return container.get("restartCount", 0) > 0 and "running" in container.get("state", {})


def wait_back(kube: Kube, namespace: str, *names: str) -> None:
    for name in names:
        soon(partial(is_back, kube, namespace, name), f"{name} after the reboot", 100)


def test_pods_have_their_networks_again_after_a_reboot(kube: Kube, two_pods: str) -> None:
    reboot.cut_power(kube.place)
    forget_this_boot()

    reboot.start(kube.place)
    wait_back(kube, two_pods, "asks", "plain")
    agent.wait(kube)

    assert set(kube.addresses(two_pods, "asks")) == {"eth0", "net1"}
    assert set(kube.addresses(two_pods, "plain")) == {"eth0"}
    assert "polypod_pod_networks_missed{" not in agent.metrics(kube.place)


def test_a_pod_that_came_up_without_its_networks_is_told(kube: Kube, two_pods: str) -> None:
    line = f'polypod_pod_networks_missed{{namespace="{two_pods}",pod="asks"}} 1.0'
    reboot.cut_power(kube.place)
    forget_this_boot()
    for path in (kube.place.cni_conf / "00-polypod.conflist", kube.place.cni_bin / "polypod"):
        path.unlink()  # as on a node that keeps no /etc

    with no_agent_serves():
        reboot.start(kube.place)
        wait_back(kube, two_pods, "asks", "plain")
    agent.wait(kube)

    assert set(kube.addresses(two_pods, "asks")) == {"eth0"}
    kube.wait_event(two_pods, "asks", "NetworksMissed", "delete it")
    assert line in agent.metrics(kube.place)
    assert 'pod="plain"' not in agent.metrics(kube.place)
    kube("-n", two_pods, "delete", "pod", "asks", "--wait=true")
    kube.apply(pod(two_pods, "asks", "disk"))
    kube.wait_ready(two_pods, "asks")
    assert "net1" in kube.addresses(two_pods, "asks")
    assert line not in agent.metrics(kube.place)
