"""docs/reference/metrics.md: what /metrics serves, asked of the daemon's own registry."""

from __future__ import annotations

from typing import TypeAlias

from docs.generate.markdown import cell, code, page, table
from prometheus_client import metrics as kinds

from polypod.daemon.counted import Counted
from polypod.daemon.metrics import BUCKETS, Metrics

LEAD = """
`polypod daemon --metrics HOST:PORT` serves three paths over HTTP, GET only: `/metrics` in the
Prometheus text format, `/healthz` (200 while the process lives) and `/readyz` (200 while it serves
requests, 503 while it starts or drains). Without the flag nothing listens.
"""


Collector: TypeAlias = kinds.MetricWrapperBase | Counted


def collectors() -> list[Collector]:
    """Return every metric of the daemon, in order of registration."""
    metrics = Metrics(parked=lambda: 0, running=lambda: 0)
    known = vars(metrics.registry)["_collector_to_names"]  # the registry has no public way to ask
    return [one for one in known if isinstance(one, Collector)]


def row(collector: Collector) -> tuple[str, str, str, str]:
    """Return name, kind, labels and meaning of one metric."""
    (family,) = collector.describe()
    name = family.name + ("_total" if family.type == "counter" else "")
    of_labels = family if isinstance(collector, Counted) else collector
    labels = ", ".join(code(label) for label in vars(of_labels)["_labelnames"])
    return code(name), family.type, labels, cell(family.documentation)


def render() -> str:
    """Return the page."""
    buckets = ", ".join(f"{bound:g}" for bound in BUCKETS)
    return page(
        "Metrics",
        LEAD,
        table(("Name", "Kind", "Labels", "Meaning"), [row(one) for one in collectors()]),
        f"The buckets of every histogram end at {buckets} seconds.\n",
    )
