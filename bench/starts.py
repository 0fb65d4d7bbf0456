"""Starts pods through the kubelet, in pairs, one after the other: how long their sandboxes took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from functools import partial

from cluster import pki
from cluster.containerd import PRIMARY_RUNTIME
from tests.cluster.kube import STATUS, Kube, Object, pod, soon

from bench import sandbox_times
from bench.programs import MeasureError
from bench.sandbox_times import Times
from polypod.kube import kubeconfig
from polypod.kube.client import Client, Query

PATIENCE_S = 30.0
QUIET_S = 1.5
"""So long nobody asks anything once a pod is made: it starts in a fraction of that, and what is
written of it afterwards does not fall into the start of the next."""
AT_ONCE = 20
"""Pairs that are there together: the node stays one of few pods."""
REST_S = 3.0
"""For what is left to do of deleted pods and of what was told of them: links, mounts, events."""
NETWORKS = "bench-a,bench-b"
Pair = tuple[Times, Times]
"""A pod with two networks, and one with its primary alone."""


class Starts:
    """The pods of one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        """Prepare; nobody else starts pods meanwhile."""
        self._kube, self._namespace = kube, namespace
        access = kubeconfig.read(pki.kubeconfig(kube.place.pki, "admin"))
        self._client = Client(access, agent="bench")

    def pairs(self, name: str, count: int) -> Iterator[Pair]:
        """Start so many pairs; all of their pods are gone afterwards."""
        for first in range(0, count, AT_ONCE):
            names = [f"{name}{number}" for number in range(first, min(first + AT_ONCE, count))]
            for place, each in enumerate(names):
                yield self._pair(each, ours_first=place % 2 == 0)
            soon(partial(self._are_told, names), "the status of every pod")
            self._kube("-n", self._namespace, "delete", "pods", "--all", "--now")
            time.sleep(REST_S)

    def _pair(self, name: str, *, ours_first: bool) -> Pair:
        ours = pod(self._namespace, f"{name}-ours", NETWORKS)
        alone = pod(self._namespace, f"{name}-alone")
        alone["spec"]["runtimeClassName"] = PRIMARY_RUNTIME
        if ours_first:
            return self._start(ours, ""), self._start(alone, PRIMARY_RUNTIME)
        second = self._start(alone, PRIMARY_RUNTIME)
        return self._start(ours, ""), second

    def _start(self, wanted: Object, handler: str) -> Times:
        before = sandbox_times.read(self._client, handler)
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        self._client.send("POST", Query(path=path), json.dumps(wanted).encode())
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            time.sleep(QUIET_S)
            after = sandbox_times.read(self._client, handler)
            if after.sandboxes > before.sandboxes:
                return sandbox_times.between(before, after)
        raise MeasureError(f"no sandbox for {wanted['metadata']['name']}")

    def _are_told(self, names: Sequence[str]) -> bool:
        """Tell whether the pods with more networks have the status of all three."""
        found = {each["metadata"]["name"]: each for each in self._kube.pods(self._namespace)}
        texts = [found[f"{name}-ours"]["metadata"]["annotations"].get(STATUS) for name in names]
        return all(text and len(json.loads(text)) == 3 for text in texts)
