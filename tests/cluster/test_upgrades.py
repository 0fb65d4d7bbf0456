"""An agent takes the place of another: of the same release, of a newer one, and of a former one."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster import agent, releases
from tests.cluster.kube import Kube, bridge, deployment, pod, soon
from tests.cluster.probe import Probe, call, configuration
from tests.cluster.test_outages import all_attached
from tests.cluster.traces import STATE

from polypod.install.place import shim_binary

TRY_AGAIN = 11
LONGEST_GAP_S = 5.0
"""How long an ADD may wait more than usually while one agent follows another."""


def test_pods_start_while_the_agent_is_upgraded(
    kube: Kube, namespace: str, record_property: Callable[[str, object], None]
) -> None:
    kube.apply(
        bridge(namespace, "upgraded", "10.86.0.0/24"), deployment(namespace, "web", "upgraded", 10)
    )

    with Probe(kube.place) as probe:
        kube("-n", agent.NAMESPACE, "set", "env", "daemonset/polypod", f"RELEASE={time.time()}")
        agent.wait(kube)

    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=110s")
    record_property("gap_s", f"{probe.gap_s:.2f}")
    assert all_attached(kube, namespace)
    assert probe.failed == []
    assert probe.gap_s < LONGEST_GAP_S


@pytest.fixture
def newer(kube: Kube, installed: None) -> Iterator[Path]:
    """Put a newer release on the node, then the former one again; yield the newer package."""
    del installed
    former, revision = releases.shim_in_place(kube.place), releases.revision(kube)
    package = releases.make_newer(kube.place)
    releases.run(kube, package)
    yield package
    releases.roll_back(kube, revision)
    assert releases.shim_in_place(kube.place) == former


def test_a_newer_release_takes_over_and_the_former_one_again(kube: Kube, namespace: str) -> None:
    former, revision = releases.shim_in_place(kube.place), releases.revision(kube)
    package = releases.make_newer(kube.place)
    kube.apply(bridge(namespace, "skew", "10.91.0.0/24"), deployment(namespace, "web", "skew", 4))
    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")

    with Probe(kube.place) as probe:
        releases.run(kube, package)
        is_newer = releases.shim_in_place(kube.place) == releases.shim_of(package).read_bytes()
        kube("-n", namespace, "scale", "deployment/web", "--replicas=8")
        kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
        releases.roll_back(kube, revision)

    assert is_newer
    assert releases.shim_in_place(kube.place) == former
    assert all_attached(kube, namespace)
    assert {json.loads(said)["code"] for said in probe.failed} <= {TRY_AGAIN}
    assert probe.gap_s < LONGEST_GAP_S


def test_a_newer_shim_is_told_and_put_right(kube: Kube, namespace: str) -> None:
    former = releases.shim_in_place(kube.place)
    package = releases.make_newer(kube.place)
    kube.apply(bridge(namespace, "told", "10.92.0.0/24"))

    releases.replace_shim(kube.place, releases.shim_of(package).read_bytes())
    kube.apply(pod(namespace, "ahead", "told"))

    kube.wait_event(namespace, "ahead", "shim speaks wire version 2, the daemon version 1")
    releases.restart_agent(kube)
    assert releases.shim_in_place(kube.place) == former
    kube.wait_ready(namespace, "ahead", seconds=60)


def test_a_former_shim_is_told_and_put_right(kube: Kube, newer: Path, namespace: str) -> None:
    kube.apply(bridge(namespace, "told", "10.92.0.0/24"))

    releases.replace_shim(kube.place, shim_binary().read_bytes())
    kube.apply(pod(namespace, "behind", "told"))

    kube.wait_event(namespace, "behind", "shim speaks wire version 1, the daemon version 2")
    releases.restart_agent(kube)
    assert releases.shim_in_place(kube.place) == releases.shim_of(newer).read_bytes()
    kube.wait_ready(namespace, "behind", seconds=60)


def test_a_del_that_another_release_kept_is_carried_out(kube: Kube, namespace: str) -> None:
    del namespace  # whose end sees that nothing is left
    place, name = kube.place, "cni-kept"
    newer, stdin = releases.shim_of(releases.make_newer(place)), configuration(place)
    spool = STATE / "spool"

    subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
    try:
        assert not call(place, "ADD", name, stdin)
        assert not call(place, "DEL", name, stdin, newer, POLYPOD_SOCKET="/run/nobody.sock")
        soon(lambda: not list(spool.glob("*.del")), "the end of what the newer shim kept")
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True, timeout=10)
