"""What the two watches do for each other, and for who asks in between."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from tests.contract.api_suite import NODE, SOON_S, definition, pod, soon

from polypod.kube.cache import ApiSource
from polypod.kube.client import Backoff, Client
from polypod.testing.api_http import DEFINITIONS, PODS
from polypod.testing.api_server import FakeApiServer

KEY = "k8s.v1.cni.cncf.io/networks"


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def source(api: FakeApiServer) -> Iterator[ApiSource]:
    """Watch a server that refuses both first lists, with the pauses of a long outage."""
    api.fail_next = [503, 503]
    client = Client(api.access)
    made = ApiSource(client, NODE, appear_s=0.0, backoff=partial(Backoff, 60.0, 60.0))
    made.start()
    soon(lambda: not api.fail_next)
    yield made
    made.stop()
    client.close()


def test_a_pod_that_was_asked_for_ends_the_pauses_of_an_outage(
    api: FakeApiServer, source: ApiSource
) -> None:
    api.put(PODS, pod("a", annotations={KEY: "net"}))
    api.put(DEFINITIONS, definition("net"))

    soon(lambda: source.pod("default", "a") is not None and source.is_synced)

    assert [one.name for one in source.definitions()] == ["net"]
    assert source.wait_synced(SOON_S)
