"""What others count is asked at each scrape."""

from __future__ import annotations

import pytest
from prometheus_client import generate_latest
from tests.contract.api_suite import pod, soon

from polypod.daemon import cluster
from polypod.daemon.counted import Others
from polypod.daemon.metrics import Metrics
from polypod.testing.api_http import PODS
from polypod.testing.api_server import FakeApiServer


def shown(others: Others) -> list[str]:
    metrics = Metrics(parked=lambda: 0, running=lambda: 0, others=others)
    lines = generate_latest(metrics.registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_a_daemon_that_asks_nobody_shows_no_numbers() -> None:
    assert not [line for line in shown(Others()) if "_api_" in line or "_renamed" in line]


def test_a_rename_is_counted_without_labels() -> None:
    assert "polypod_configuration_renamed_total 3.0" in shown(Others(renamed=lambda: [((), 3)]))


def test_numbers_are_those_of_the_scrape() -> None:
    number = iter((1.0, 2.0))
    others = Others(reads=lambda: [(("pods",), next(number))])
    metrics = Metrics(parked=lambda: 0, running=lambda: 0, others=others)

    first, second = (generate_latest(metrics.registry).decode() for _ in range(2))

    assert 'polypod_api_reads_total{kind="pods"} 1.0' in first
    assert 'polypod_api_reads_total{kind="pods"} 2.0' in second


@pytest.mark.parametrize("status", [0, 404, 503])
def test_what_became_of_a_status_is_counted(status: int) -> None:
    with FakeApiServer() as api:
        made = api.put(PODS, pod("a"))
        joined = cluster.connect(api.access, "node1")
        joined.start()
        soon(lambda: sum("watch=1" in request for request in api.requests) == 2)
        api.fail_next = [status] if status else []

        joined.status.write("default", "a", "[]", made["metadata"]["uid"])
        soon(lambda: joined.status.tally.written + joined.status.tally.dropped == 1)
        found = shown(Others(writes=joined.writes, reads=joined.reads))
        joined.stop()
        joined.client.close()

    ends = {0: (1, 0, 0), 404: (0, 0, 1), 503: (1, 1, 0)}[status]
    for outcome, number in zip(("written", "retried", "dropped"), ends, strict=True):
        line = f'polypod_api_writes_total{{kind="status",outcome="{outcome}"}} {number}.0'
        assert line in found


def test_an_object_that_is_not_in_memory_is_counted_as_read() -> None:
    with FakeApiServer() as api:
        api.put(PODS, pod("a", node="elsewhere"))
        joined = cluster.connect(api.access, "node1")
        joined.start()

        joined.source.pod("default", "a")
        found = shown(Others(reads=joined.reads))
        joined.stop()
        joined.client.close()

    assert 'polypod_api_reads_total{kind="pods"} 1.0' in found
    assert 'polypod_api_reads_total{kind="definitions"} 0.0' in found
