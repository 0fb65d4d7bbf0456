"""ADD waits for the readiness indicator, others do not: K30.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.conformance.multus_node import refused

from polypod.engine import attach, status
from polypod.engine.doors import Caller, Doors
from polypod.engine.readiness import WAIT_S
from polypod.errors import TryAgainError, UnavailableError
from polypod.store.readiness import ReadinessFile
from polypod.testing.clock import FakeClock
from polypod.testing.node import Node, Sandbox


def add(pod: Sandbox, doors: Doors) -> None:
    attach.attach(pod.request("ADD"), Caller(), doors)


class Waiting:
    """A file, a clock that only the waiting moves, and doors that wait for the file."""

    def __init__(self, node: Node, path: Path) -> None:
        self.clock = FakeClock()
        self.path = path
        self.appears_at = float("inf")
        ready = ReadinessFile(path, clock=self.clock.monotonic, pause=self._pause)
        self.doors = replace(node.doors(), ready=ready)

    def _pause(self, seconds: float) -> None:
        self.clock.advance(seconds)
        if self.clock.monotonic() >= self.appears_at:
            self.path.touch()


@pytest.fixture
def waiting(node: Node, tmp_path: Path) -> Waiting:
    return Waiting(node, tmp_path / "ready")


def test_k30_without_the_readiness_indicator_an_add_ends_after_a_while(
    node: Node, waiting: Waiting
) -> None:
    pod = node.add_pod("test", "testpod")

    error = refused(
        lambda: add(pod, waiting.doors),
        "have you checked that your default network is ready? still waiting for"
        f" readinessindicatorfile @ {waiting.path}",
    )

    assert isinstance(error, TryAgainError)
    assert waiting.clock.monotonic() == WAIT_S == 45.0
    assert node.foreign.calls == []


def test_an_add_goes_on_when_the_primary_becomes_ready(node: Node, waiting: Waiting) -> None:
    waiting.appears_at = 10.0

    add(node.add_pod("test", "testpod"), waiting.doors)

    assert 10.0 <= waiting.clock.monotonic() < 11.0
    assert node.foreign.told("ADD") == ["mynet2"]


def test_del_does_not_wait_for_the_primary(node: Node, waiting: Waiting) -> None:
    pod = node.add_pod("test", "testpod")
    node.add(pod)

    node.delete(pod)

    assert node.foreign.told("DEL") == ["mynet2"]
    assert waiting.clock.monotonic() == 0.0


def test_a_node_whose_primary_is_not_ready_says_so_at_once(waiting: Waiting) -> None:
    asked = Sandbox(container_id="", netns="").request("STATUS")

    with pytest.raises(UnavailableError, match=f"{waiting.path} is not there"):
        status.status(asked, Caller(), waiting.doors)
    assert waiting.clock.monotonic() == 0.0

    waiting.path.touch()
    status.status(asked, Caller(), waiting.doors)
