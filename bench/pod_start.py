"""Pods that a kubelet starts: with the primary network alone, and with two more through Polypod.

What is compared is the kubelet's own measure of a sandbox (RunPodSandbox), one pod after the
other, the parties in turns. Pods that are to have the primary alone have a runtime handler whose
CNI folder holds nothing else: the same kubelet, the same runtime, the same minute.
"""

from __future__ import annotations

import re
import time
from functools import partial
from statistics import median

from cluster.containerd import PRIMARY_RUNTIME
from cluster.place import NODE, Place
from tests.cluster import agent
from tests.cluster.kube import Kube, Object, bridge, macvlan, pod, soon
from tests.cluster.probe import Probe

from bench.programs import MeasureError
from bench.report import Figure

PATIENCE_S = 30.0
ROUNDS = 20
NETWORKS = "bench-a,bench-b"
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": PRIMARY_RUNTIME},
    "handler": PRIMARY_RUNTIME,
}
_sandboxes = re.compile(
    r'^kubelet_run_podsandbox_duration_seconds_(sum|count)\{runtime_handler="(\w*)"\} (\S+)$',
    re.MULTILINE,
)


def measure(place: Place, quick: bool) -> list[Figure]:  # noqa: FBT001 - a part's one option
    """Return the figures of pod starts, of what they ask of the API server, and of an upgrade."""
    kube = Kube(place)
    agent.load_image(place)
    agent.install(kube, place)
    namespace = kube.make_namespace()
    kube.apply(
        RUNTIME_CLASS,
        bridge(namespace, "bench-a", "10.61.0.0/24"),
        macvlan(namespace, "bench-b", "10.62.0.0/24"),
    )
    rounds = 5 if quick else ROUNDS
    for number in range(2):  # first uses are nobody's figure
        _both(kube, namespace, f"warm{number}")
    before = len(agent.requests(place))
    pairs = [_both(kube, namespace, f"pod{number}") for number in range(rounds)]
    ours, alone = (median(side) for side in zip(*pairs, strict=True))
    asked = _requests(kube, namespace, before, rounds)
    gap = _upgrade(kube)
    kube.delete_namespace(namespace)
    return [
        Figure(name="sandbox of a pod with two networks", ours=ours, unit="ms"),
        Figure(name="  with its primary network alone", ours=alone, unit="ms"),
        Figure(name="  what two networks add", ours=ours - alone, unit="ms", at_most=10),
        *asked,
        Figure(name="upgrade: the longest ADD, beyond an ordinary one", ours=gap, unit="s"),
    ]


def _both(kube: Kube, namespace: str, name: str) -> tuple[float, float]:
    """Start a pod of each kind; return the milliseconds of both sandboxes."""
    alone = pod(namespace, f"{name}-alone")
    alone["spec"]["runtimeClassName"] = PRIMARY_RUNTIME
    return (
        _start(kube, pod(namespace, f"{name}-ours", NETWORKS), ""),
        _start(kube, alone, PRIMARY_RUNTIME),
    )


def _start(kube: Kube, wanted: Object, handler: str) -> float:
    count, seconds = _so_far(kube, handler)
    kube.apply(wanted)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        now_count, now_seconds = _so_far(kube, handler)
        if now_count > count:
            return (now_seconds - seconds) / (now_count - count) * 1000
    raise MeasureError(f"no sandbox for {wanted['metadata']['name']}")


def _so_far(kube: Kube, handler: str) -> tuple[float, float]:
    """Return how many sandboxes of a handler the kubelet has made, and their seconds in all."""
    text = kube("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/metrics")
    found = {kind: float(value) for kind, of, value in _sandboxes.findall(text) if of == handler}
    return found.get("count", 0.0), found.get("sum", 0.0)


def _requests(kube: Kube, namespace: str, before: int, pods: int) -> list[Figure]:
    """Return what an ADD asks of the API server, once all of it has been written."""
    names = [f"pod{number}-ours" for number in range(pods)]
    for name in names:
        soon(partial(_is_told, kube, namespace, name), f"the status of {name}")
    time.sleep(1.0)  # events follow the status
    made = [
        one
        for one in agent.requests(kube.place)[before:]
        if one["objectRef"].get("namespace") == namespace
    ]
    reads = sum(one["verb"] in {"get", "list"} for one in made)
    patches = sum(one["objectRef"].get("subresource") == "status" for one in made)
    events = sum(one["objectRef"]["resource"] == "events" for one in made)
    return [
        Figure(name="reads from the API server per ADD", ours=reads / pods, unit="", at_most=0),
        Figure(name="patches of the pod per ADD", ours=patches / pods, unit="", at_most=1),
        Figure(name="  events beside them", ours=events / pods, unit=""),
    ]


def _is_told(kube: Kube, namespace: str, name: str) -> bool:
    return len(kube.status(namespace, name)) == 3


def _upgrade(kube: Kube) -> float:
    with Probe(kube.place) as probe:
        kube("-n", agent.NAMESPACE, "set", "env", "daemonset/polypod", f"RELEASE={time.time()}")
        agent.wait(kube)
    if probe.failed:
        raise MeasureError(f"an ADD failed during the upgrade: {probe.failed[0]}")
    return probe.gap_s
