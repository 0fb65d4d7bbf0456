"""Pods that a kubelet starts: with the primary network alone, and with two more through Polypod.

What is compared is the kubelet's own measure of a sandbox (RunPodSandbox), pod by pod, in pairs
whose order alternates: single sandboxes differ by more than the networks cost, so there are many
pairs, and what is told is the middle of their differences with its uncertainty. Nobody asks
anything of the cluster while a pod starts. Pods that are to have the primary alone have a runtime
handler whose CNI folder holds nothing else: the same kubelet, the same runtime, the same minute.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from cluster.containerd import PRIMARY_RUNTIME
from cluster.place import Place
from tests.cluster import agent
from tests.cluster.kube import Kube, bridge, macvlan
from tests.cluster.probe import Probe

from bench.programs import MeasureError
from bench.report import Figure, around_the_middle
from bench.starts import Starts

PAIRS = 100
RUNTIME_CLASS = {
    "apiVersion": "node.k8s.io/v1",
    "kind": "RuntimeClass",
    "metadata": {"name": PRIMARY_RUNTIME},
    "handler": PRIMARY_RUNTIME,
}


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
    starts = Starts(kube, namespace)
    list(starts.pairs("warm", 2))  # first uses are nobody's figure
    before = len(agent.requests(place))
    pairs = list(starts.pairs("pod", 10 if quick else PAIRS))
    asked = _requests(kube, namespace, before, len(pairs))
    gap = _upgrade(kube)
    kube.delete_namespace(namespace)
    sandboxes = [(ours.sandbox, alone.sandbox) for ours, alone in pairs]
    networks = [(ours.network, alone.network) for ours, alone in pairs]
    rests = [(ours.rest, alone.rest) for ours, alone in pairs]
    return [
        *_compared("sandbox of a pod with two networks", sandboxes, at_most=10),
        *_compared("of it the runtime's network set-up", networks),
        *_compared("of it everything else", rests),
        *asked,
        Figure(name="upgrade: the longest ADD, beyond an ordinary one", ours=gap, unit="s"),
    ]


def _compared(
    name: str, pairs: Sequence[tuple[float, float]], at_most: float | None = None
) -> list[Figure]:
    ours, alone = (median(side) for side in zip(*pairs, strict=True))
    added = [one - other for one, other in pairs]
    return [
        Figure(name=name, ours=ours, unit="ms"),
        Figure(name="  with its primary network alone", ours=alone, unit="ms"),
        Figure(
            name="  what two networks add",
            ours=median(added),
            unit="ms",
            at_most=at_most,
            within=around_the_middle(added),
        ),
    ]


def _requests(kube: Kube, namespace: str, before: int, pods: int) -> list[Figure]:
    """Return what an ADD asked of the API server."""
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


def _upgrade(kube: Kube) -> float:
    with Probe(kube.place) as probe:
        kube("-n", agent.NAMESPACE, "set", "env", "daemonset/polypod", f"RELEASE={time.time()}")
        agent.wait(kube)
    if probe.failed:
        raise MeasureError(f"an ADD failed during the upgrade: {probe.failed[0]}")
    return probe.gap_s
