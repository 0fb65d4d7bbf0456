"""Counters with bounded labels, and the page that shows them."""

from __future__ import annotations

import socket
import time
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import generate_latest

from polypod.daemon.counted import Others
from polypod.daemon.metrics import MAX_NETWORKS, MAX_READERS, HealthPage, Metrics
from polypod.errors import InvalidEnvironmentError, StorageError


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(parked=lambda: 3, running=lambda: 2)


@pytest.fixture
def page(metrics: Metrics) -> Iterator[HealthPage]:
    served = HealthPage("127.0.0.1:0", metrics, lambda: True)
    served.start()
    yield served
    served.stop()


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_each_pod_that_missed_its_networks_has_a_line() -> None:
    metrics = Metrics(
        parked=lambda: 0, running=lambda: 0, others=Others(missed=lambda: [(("ns", "lost"), 1)])
    )

    assert 'polypod_pod_networks_missed{namespace="ns",pod="lost"} 1.0' in text(metrics)


def test_a_page_asks_the_dns_for_nothing(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(socket, "getfqdn", asked.append)

    page = HealthPage("127.0.0.1:0", metrics, lambda: True)
    page.start()
    page.stop()

    assert asked == []


def test_a_page_ends_at_once(metrics: Metrics) -> None:
    """Another daemon waits for this one's end, and pods for that one."""
    page = HealthPage("127.0.0.1:0", metrics, lambda: True)
    page.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/healthz", timeout=5) as answer:
        answer.read()

    began = time.monotonic()
    page.stop()

    assert time.monotonic() - began < 0.3
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", page.port), 5)


def test_only_so_many_networks_get_labels_of_their_own(metrics: Metrics) -> None:
    for number in range(10 * MAX_NETWORKS):
        metrics.observe_network("ADD", "bridge", f"net{number}", 0.001)

    shown = text(metrics)

    assert shown.count("polypod_attachment_seconds_count{") == MAX_NETWORKS + 1
    others = 9 * MAX_NETWORKS
    assert f'_count{{network="other",plugin="other",verb="ADD"}} {others}.0' in shown


def test_a_verb_nobody_knows_adds_no_label(metrics: Metrics) -> None:
    for number in range(50):
        metrics.observe(f"JUMP{number}", "polypod", 0.001)

    assert text(metrics).count("polypod_request_seconds_count{") == 1


def test_a_name_with_quotes_and_line_ends_stays_inside_its_label(metrics: Metrics) -> None:
    metrics.observe_network("ADD", "bridge", 'a"} 1\nevil 2\n', 0.001)

    assert not any(line.startswith("evil") for line in text(metrics).splitlines())


def test_queue_and_running_calls_are_asked_at_each_look(metrics: Metrics) -> None:
    shown = text(metrics)

    assert "polypod_queue_length 3.0" in shown and "polypod_requests_running 2.0" in shown


def test_readers_that_say_nothing_do_not_keep_all_places_for_ever(page: HealthPage) -> None:
    silent = [socket.create_connection(("127.0.0.1", page.port)) for _ in range(MAX_READERS + 4)]
    silent[-1].settimeout(10)

    assert silent[-1].recv(1) == b""  # hung up on at once: the places are taken

    for connection in silent:
        connection.close()
    deadline = time.monotonic() + 10
    while not is_answered(page):  # its threads hear of the ends one by one
        assert time.monotonic() < deadline


def is_answered(page: HealthPage) -> bool:
    """Tell whether there is a place for one more reader."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{page.port}/healthz") as answer:
            return bool(answer.read() == b"ok\n")
    except OSError:
        return False


@pytest.mark.parametrize("address", ["", "9091x", "host:", "127.0.0.1:99999", "a:-1"])
def test_what_is_no_address_is_refused(metrics: Metrics, address: str) -> None:
    with pytest.raises(InvalidEnvironmentError, match="HOST:PORT"):
        HealthPage(address, metrics, lambda: True)


def test_a_port_that_is_taken_is_an_error_with_a_hint(page: HealthPage, metrics: Metrics) -> None:
    with pytest.raises(StorageError) as raised:
        HealthPage(f"127.0.0.1:{page.port}", metrics, lambda: True)
    assert "--metrics" in raised.value.hint
