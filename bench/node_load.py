"""An agent with a full node in a full cluster: memory, processor time, and a start after a crash.

The API server is the real one; the pods are objects only: 110 of a node that no kubelet serves,
each attached by the shim as a runtime would do it, and thousands of other nodes.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from cluster import pki, processes
from cluster.place import Place
from tests.cluster.kube import NETWORKS, Kube, network, spec

from bench import fake_node
from bench.fake_node import NAMESPACE, FakeNode
from bench.report import Figure
from polypod.install.crd import crd
from polypod.kube import kubeconfig
from polypod.kube.cache import ApiSource
from polypod.kube.client import MERGE, Client, Query

NODE = "bench-node"
PODS = 110
OTHERS = 5000
OTHER_NODES = 45
RATE = 200
WRITERS = 4
RESTARTS = 5
PATHS = f"/api/v1/namespaces/{NAMESPACE}/pods"
CHOSEN = ("load-a", "load-b")


def measure(place: Place, quick: bool) -> list[Figure]:  # noqa: FBT001 - a part's one option
    """Return the figures."""
    others, seconds = (500, 5.0) if quick else (OTHERS, 20.0)
    # What controllers do with pods that no node runs is not what is measured.
    for name in ("kube-controller-manager", "kube-scheduler"):
        processes.stop(place, name)
    folder = Path(tempfile.mkdtemp(prefix="polypod-bench-", dir="/run"))
    client = Client(kubeconfig.read(pki.kubeconfig(place.pki, "admin")), agent="bench")
    _define(Kube(place), folder)
    _create(client, _pods(others))
    node = FakeNode(place, folder, NODE, PODS)
    try:
        node.start()
        node.attach_all()
        node.settle()
        before = node.resident_mib()
        rate, share = _updates(client, node, seconds)
        after = node.resident_mib()
        starts = [node.crash() for _ in range(RESTARTS)]
    finally:
        node.stop()
    return _figures(others, _kept(client), (before, after), (rate, share), starts)


def _figures(
    others: int,
    kept: int,
    resident: tuple[float, float],
    updates: tuple[float, float],
    starts: list[float],
) -> list[Figure]:
    full = f"{PODS} attached pods, {others + PODS} in the cluster"
    return [
        Figure(name=f"pods kept: a node of {PODS}, {others + PODS} in the cluster", ours=kept,
               unit="pods", at_most=PODS),
        Figure(name=f"resident: {full}", ours=resident[0], unit="MiB", at_most=64),
        Figure(name="  after the updates", ours=resident[1], unit="MiB", at_most=64),
        Figure(name=f"processor at {updates[0]:.0f} updates of its pods a second",
               ours=updates[1], unit="% of a core", at_most=5),
        Figure(name="killed: from the start of the process to serving", ours=median(starts),
               unit="s", at_most=1),
    ]  # fmt: skip


def _define(kube: Kube, folder: Path) -> None:
    kube.apply(crd())
    kube("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    for number, name in enumerate(CHOSEN):
        config = fake_node.bridge(name, 61 + number, folder)
        kube.apply(network(NAMESPACE, name, **{k: v for k, v in config.items() if k != "name"}))


def _pods(others: int) -> Iterable[dict[str, object]]:
    for number in range(PODS):
        yield _pod(f"{NODE}-{number}", NODE)
    for number in range(others):
        yield _pod(f"other-{number}", f"other-node-{number % OTHER_NODES}")


def _pod(name: str, node: str) -> dict[str, object]:
    annotations = {NETWORKS: ",".join(CHOSEN)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": NAMESPACE, "name": name, "annotations": annotations},
        "spec": {**spec(), "nodeName": node},
    }


def _create(client: Client, wanted: Iterable[dict[str, object]]) -> None:
    def one(pod: dict[str, object]) -> None:
        client.send("POST", Query(path=PATHS), json.dumps(pod).encode(), timeout_s=60.0)

    with ThreadPoolExecutor(WRITERS) as writers:
        list(writers.map(one, wanted))


def _updates(client: Client, node: FakeNode, seconds: float) -> tuple[float, float]:
    """Change pods of the node at the rate; return the rate reached and the share of a core."""
    counts = [0] * WRITERS
    began, used = time.monotonic(), node.processor_s()

    def write(place: int) -> None:
        while (passed := time.monotonic() - began) < seconds:
            number = counts[place]
            ahead = number * WRITERS / RATE - passed
            if ahead > 0:
                time.sleep(ahead)
            name = f"{NODE}-{(number * WRITERS + place) % PODS}"
            change = json.dumps({"metadata": {"annotations": {"bench": str(number)}}}).encode()
            client.send("PATCH", Query(path=f"{PATHS}/{name}"), change, content_type=MERGE)
            counts[place] += 1

    threads = [threading.Thread(target=write, args=(place,)) for place in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed = time.monotonic() - began
    return sum(counts) / passed, (node.processor_s() - used) / passed * 100


def _kept(client: Client) -> int:
    """Return how many pods a watch of this node keeps."""
    source = ApiSource(client, NODE)
    source.start()
    source.wait_synced(30)
    source.stop()
    return len(source.pods())
