"""What a kubelet and its runtime count of the sandboxes they make, read before and after one.

The kubelet tells runtime handlers apart, the runtime does not: one sandbox at a time.
"""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass

from cluster.place import NODE, RUNTIME_METRICS

from bench.programs import MeasureError
from polypod.kube.client import Client, Query

_kubelet = re.compile(
    r'^kubelet_run_podsandbox_duration_seconds_(sum|count)\{runtime_handler="(\w*)"\} (\S+)$',
    re.MULTILINE,
)
_runtime = re.compile(
    r"^containerd_cri_network_plugin_operations_duration_seconds\w*_(sum|count)"
    r'\{operation_type="set_up_pod"\} (\S+)$',
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many there were, and their seconds in all."""

    sandboxes: float = 0.0
    sandbox_s: float = 0.0
    networks: float = 0.0
    network_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """The milliseconds of one sandbox."""

    sandbox: float
    network: float
    """The part in which the runtime runs the CNI plugins."""

    @property
    def rest(self) -> float:
        """Return the other part: namespaces, cgroups, the pause container."""
        return self.sandbox - self.network


def read(client: Client, handler: str) -> Counts:
    """Return what was counted so far of a handler's sandboxes, and of all networks."""
    kubelet = client.get(Query(path=f"/api/v1/nodes/{NODE}/proxy/metrics")).decode()
    with urllib.request.urlopen(f"http://{RUNTIME_METRICS}/v1/metrics", timeout=10) as answer:
        return counts(kubelet, answer.read().decode(), handler)


def counts(kubelet: str, runtime: str, handler: str) -> Counts:
    """Return the counts that two pages of metrics hold."""
    made = {kind: float(value) for kind, of, value in _kubelet.findall(kubelet) if of == handler}
    plugged = {kind: float(value) for kind, value in _runtime.findall(runtime)}
    return Counts(
        sandboxes=made.get("count", 0.0),
        sandbox_s=made.get("sum", 0.0),
        networks=plugged.get("count", 0.0),
        network_s=plugged.get("sum", 0.0),
    )


def between(before: Counts, after: Counts) -> Times:
    """Return the times of the sandbox that was made meanwhile.

    Raises:
        MeasureError: it is not the only one.
    """
    if (after.sandboxes - before.sandboxes, after.networks - before.networks) != (1, 1):
        raise MeasureError("somebody else's sandbox was made beside the one that is measured")
    return Times(
        sandbox=(after.sandbox_s - before.sandbox_s) * 1000,
        network=(after.network_s - before.network_s) * 1000,
    )
