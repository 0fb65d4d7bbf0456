"""The daemon killed amid thirty pod starts: every pod complete or absent, nothing leaks."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e.cri import PodName
from tests.e2e.node import Node
from tests.e2e.programs import output, wait_until

from polypod.errors import RpcError

PODS = 30
NETWORKS = ["left", "right"]
INTERFACES = {"lo", "eth0", "net1", "net2"}


def start_all(node: Node, pods: list[PodName]) -> dict[PodName, str | RpcError]:
    """Start pods at once; return each one's sandbox, or why there is none."""

    def start(pod: PodName) -> str | RpcError:
        try:
            return node.runtime.run_pod(pod, timeout_s=90)
        except RpcError as error:
            return error

    with ThreadPoolExecutor(len(pods)) as threads:
        return dict(zip(pods, threads.map(start, pods), strict=True))


def each(act: Callable[[str], None], sandboxes: list[str]) -> None:
    """Act on all sandboxes at once; the first failure is raised."""
    with ThreadPoolExecutor(len(sandboxes)) as threads:
        list(threads.map(act, sandboxes))


def interfaces(namespace: Path) -> set[str]:
    """Return the interfaces of a namespace that have an IPv4 address."""
    links = json.loads(output("ip", "-n", namespace.name, "-j", "-4", "addr"))
    return {link["ifname"] for link in links if link["addr_info"]}


def pods_are_complete(node: Node, count: int) -> bool:
    """Tell whether there are so many pods, each with all of its interfaces and rows."""
    namespaces = list(Path("/run/netns").iterdir())
    return (
        len(namespaces) == count
        and len(node.rows()) == count * 3
        and all(interfaces(namespace) == INTERFACES for namespace in namespaces)
    )


@pytest.mark.parametrize("ready", [0, 8, 20], ids=lambda ready: f"{ready}-are-ready")
def test_a_daemon_killed_amid_thirty_starts_leaves_pods_complete_or_absent(
    node: Node, ready: int
) -> None:
    pods = [node.pod(f"crowd-{number}", ",".join(NETWORKS)) for number in range(PODS)]

    with ThreadPoolExecutor(1) as background:
        starting = background.submit(start_all, node, pods)
        wait_until(lambda: begun(node) and written(node) >= ready, "some pods are up", timeout_s=60)
        node.daemon.kill()
        time.sleep(0.3)  # requests meet a socket that nobody serves
        node.start_daemon()
        answers = starting.result(timeout=120)

    up = {pod: found for pod, found in answers.items() if isinstance(found, str)}
    assert ready <= len(up) <= PODS
    wait_until(
        lambda: pods_are_complete(node, len(up)),
        "every pod is complete or absent",
        timeout_s=20,
        every_s=0.5,
    )

    up |= started_in_the_end(node, [pod for pod in pods if pod not in up])
    assert pods_are_complete(node, PODS)

    each(node.runtime.stop_pod, list(up.values()))
    each(node.runtime.remove_pod, list(up.values()))


def begun(node: Node) -> bool:
    """Tell whether a pod has its first steps in the journal."""
    return bool(node.rows())


def written(node: Node) -> int:
    """Count the pods whose network-status is there."""
    return len(list((node.root / "status").glob("*/crowd-*.json")))


def started_in_the_end(node: Node, missing: list[PodName]) -> dict[PodName, str]:
    """Try again as the kubelet does, each time as a new sandbox."""
    found: dict[PodName, str] = {}
    for attempt in range(1, 6):
        left = [replace(pod, attempt=attempt) for pod in missing if pod not in found]
        if not left:
            break
        answers = start_all(node, left)
        found |= {
            replace(pod, attempt=0): sandbox
            for pod, sandbox in answers.items()
            if isinstance(sandbox, str)
        }
    assert set(found) == set(missing)
    return found


def test_a_daemon_killed_amid_thirty_stops_leaves_nothing_of_any_pod(node: Node) -> None:
    pods = [node.pod(f"crowd-{number}", ",".join(NETWORKS)) for number in range(PODS)]
    up = start_all(node, pods)
    sandboxes = [found for found in up.values() if isinstance(found, str)]
    assert len(sandboxes) == PODS

    with ThreadPoolExecutor(1) as background:
        stopping = background.submit(each, stop_in_the_end(node), sandboxes)
        wait_until(lambda: 0 < len(node.rows()) < PODS * 2, "some pods are gone", timeout_s=60)
        node.daemon.kill()
        time.sleep(0.3)
        node.start_daemon()
        stopping.result(timeout=120)

    each(node.runtime.remove_pod, sandboxes)


def stop_in_the_end(node: Node) -> Callable[[str], None]:
    """Stop a pod as the kubelet does: again and again until it is stopped."""

    def stop(sandbox: str) -> None:
        for _ in range(5):
            with contextlib.suppress(RpcError):
                node.runtime.stop_pod(sandbox)
                return
        node.runtime.stop_pod(sandbox)

    return stop
