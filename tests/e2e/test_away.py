"""The daemon is away: ADD is told to try again in bounded time, DEL is kept for its return."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.e2e import traces
from tests.e2e.node import SHIM_WAIT_MS, Node
from tests.e2e.programs import wait_until
from tests.e2e.view import running

from polypod.errors import RpcError


@pytest.fixture
def returning(node: Node) -> Iterator[Node]:
    """A node whose daemon is there again after the test."""
    yield node
    if node.daemon.process is None:
        node.start_daemon()


def kept(node: Node) -> list[str]:
    """Return the DELs in the spool."""
    return sorted(path.name for path in node.spool.glob("*.del"))


def test_a_pod_does_not_start_while_the_daemon_is_away(returning: Node) -> None:
    node, before = returning, traces.read(returning)
    pod = node.pod("waiting", "left,right")
    node.daemon.stop()

    started = time.monotonic()
    with pytest.raises(RpcError, match="the polypod daemon is away") as refused:
        node.runtime.run_pod(pod)
    took = time.monotonic() - started

    assert "the runtime repeats the call" in str(refused.value)
    assert SHIM_WAIT_MS / 1000 <= took < SHIM_WAIT_MS / 1000 + 5
    node.start_daemon()
    traces.assert_none(node, before)
    with running(node, pod) as view:
        assert "net2" in view.links()


def test_a_pod_starts_when_the_daemon_comes_back_while_its_call_waits(returning: Node) -> None:
    node = returning
    pod = node.pod("patient", "left")
    node.daemon.stop()
    node.daemon.start()

    with running(node, pod) as view:
        assert "net1" in view.links()


def test_a_pod_ends_while_the_daemon_is_away_and_its_networks_go_when_it_returns(
    returning: Node,
) -> None:
    node, before = returning, traces.read(returning)
    pod = node.pod("leaving", "left,right")
    sandbox = node.runtime.run_pod(pod)
    node.daemon.stop()

    node.runtime.stop_pod(sandbox, timeout_s=10)
    node.runtime.remove_pod(sandbox)

    assert kept(node)
    assert len(node.rows()) == 3
    node.start_daemon()
    wait_until(lambda: not kept(node), "the kept DELs are carried out")
    traces.assert_none(node, before)


def test_a_daemon_that_is_told_to_stop_finishes_what_it_began(returning: Node) -> None:
    node = returning
    pod = node.pod("unhurried", "left,right")

    with running(node, pod):
        node.daemon.stop()
        node.start_daemon()

    assert "daemon.stopped" in node.daemon.tail(200)
