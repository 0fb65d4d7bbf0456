"""The dispatcher keeps pods in order and lets quick calls pass."""

from __future__ import annotations

import threading

import pytest

from polypod.daemon.dispatch import Dispatcher, Job
from polypod.errors import TryAgainError

WAIT_S = 5.0


def in_thread(dispatcher: Dispatcher, job: Job) -> threading.Thread:
    thread = threading.Thread(target=dispatcher.submit, args=(job,), daemon=True)
    thread.start()
    return thread


class Gate:
    """A job that says when it started and waits to be let on."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go_on = threading.Event()

    def __call__(self) -> None:
        self.started.set()
        assert self.go_on.wait(WAIT_S)


def test_calls_of_one_pod_run_in_the_order_they_came() -> None:
    dispatcher = Dispatcher(slow_limit=4, add_limit=4)
    order: list[str] = []
    gate = Gate()
    first = in_thread(dispatcher, Job(run=gate, key="pod"))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(Job(run=lambda: order.append("second"), key="pod"))
    dispatcher.submit(Job(run=lambda: order.append("third"), key="pod"))
    assert dispatcher.parked == 2
    gate.go_on.set()
    first.join(WAIT_S)

    assert order == ["second", "third"]
    assert dispatcher.wait_idle(WAIT_S)


def test_other_pods_pass_a_busy_one() -> None:
    dispatcher = Dispatcher(slow_limit=4, add_limit=4)
    ran: list[str] = []
    gate = Gate()
    thread = in_thread(dispatcher, Job(run=gate, key="pod"))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(Job(run=lambda: ran.append("other"), key="other"))

    assert ran == ["other"]
    gate.go_on.set()
    thread.join(WAIT_S)


def test_deletes_move_while_adds_use_up_their_limit() -> None:
    dispatcher = Dispatcher(slow_limit=2, add_limit=1)
    ran: list[str] = []
    gate = Gate()
    thread = in_thread(dispatcher, Job(run=gate, key="a", is_add=True))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(Job(run=lambda: ran.append("add"), key="b", is_add=True))
    dispatcher.submit(Job(run=lambda: ran.append("del"), key="c"))

    assert ran == ["del"]
    gate.go_on.set()
    thread.join(WAIT_S)
    assert ran == ["del", "add"]


def test_quick_calls_pass_when_every_slow_place_is_taken() -> None:
    dispatcher = Dispatcher(slow_limit=1, add_limit=1)
    ran: list[str] = []
    gate = Gate()
    thread = in_thread(dispatcher, Job(run=gate, key="a", is_add=True))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(Job(run=lambda: ran.append("link"), slow=False))

    assert ran == ["link"]
    gate.go_on.set()
    thread.join(WAIT_S)


def test_a_full_queue_is_refused_with_try_again() -> None:
    dispatcher = Dispatcher(slow_limit=1, add_limit=1, parked_limit=1)
    gate = Gate()
    thread = in_thread(dispatcher, Job(run=gate, key="a"))
    assert gate.started.wait(WAIT_S)
    dispatcher.submit(Job(run=lambda: None, key="b"))

    with pytest.raises(TryAgainError):
        dispatcher.submit(Job(run=lambda: None, key="c"))

    gate.go_on.set()
    thread.join(WAIT_S)
