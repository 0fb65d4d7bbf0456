"""What others count, as metrics: asked at each scrape, and kept nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

Values: TypeAlias = Callable[[], Iterable[tuple[Sequence[str], float]]]
"""Asked for label values, in the order of the labels, with the number of each."""


def nothing() -> Iterable[tuple[Sequence[str], float]]:
    """Return no value: nobody counts that here."""
    return ()


class Others(msgspec.Struct, frozen=True, kw_only=True):
    """Who is asked; a daemon without API server has nobody to ask."""

    missed: Values = msgspec.field(default=nothing)
    """Pods that started without us, by namespace and name."""
    writes: Values = msgspec.field(default=nothing)
    """Letters to the API server, by what they were and what became of them."""
    reads: Values = msgspec.field(default=nothing)
    """Objects that were not in memory, by kind."""
    renamed: Values = msgspec.field(default=nothing)
    """How often our CNI configuration was put aside; no labels."""


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """One metric."""

    name: str
    text: str
    labels: tuple[str, ...]
    ask: Values
    is_gauge: bool = False

    def describe(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Name the metric without asking anybody."""
        kind = GaugeMetricFamily if self.is_gauge else CounterMetricFamily
        yield kind(self.name, self.text, labels=self.labels)

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Return the numbers as they are now."""
        for family in self.describe():
            for labels, value in self.ask():
                family.add_metric(labels, value)
            yield family


def metrics(others: Others) -> tuple[Counted, ...]:
    """Return every metric of what others count."""
    return (
        Counted(
            name="polypod_pod_networks_missed",
            text="1 for a pod that started without Polypod and has its primary network only",
            labels=("namespace", "pod"),
            ask=others.missed,
            is_gauge=True,
        ),
        Counted(
            name="polypod_api_writes",
            text="network-status patches and events: written, tried again (retried), given up"
            " (dropped)",
            labels=("kind", "outcome"),
            ask=others.writes,
        ),
        Counted(
            name="polypod_api_reads",
            text="Objects that an ADD found not in memory and asked the API server for",
            labels=("kind",),
            ask=others.reads,
        ),
        Counted(
            name="polypod_configuration_renamed",
            text="How often somebody put our CNI configuration aside (Cilium: cni.exclusive)",
            labels=(),
            ask=others.renamed,
        ),
    )
