"""The dispatcher keeps pods in order and lets quick calls pass."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from polypod.daemon.dispatch import (
    MIN_THREADS,
    Dispatcher,
    DrainingError,
    Job,
    Limits,
    Place,
    limits,
)
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


def job(
    run: Callable[[], None],
    *keys: str,
    place: Place = Place.OTHER,
    size: int = 0,
    drop: Callable[[], None] = lambda: None,
) -> Job:
    return Job(run=run, drop=drop, place=place, keys=frozenset(keys), size_bytes=size)


def small(adds: int = 1, pods: int = 2, nesting: int = 1) -> Limits:
    return Limits(adds=adds, pods=pods, nesting=nesting)


def test_calls_of_one_pod_run_in_the_order_they_came() -> None:
    dispatcher = Dispatcher(small(pods=4))
    order: list[str] = []
    gate = Gate()
    first = in_thread(dispatcher, job(gate, "pod"))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(job(lambda: order.append("second"), "pod"))
    dispatcher.submit(job(lambda: order.append("third"), "pod"))
    assert dispatcher.parked == 2
    gate.go_on.set()
    first.join(WAIT_S)

    assert order == ["second", "third"]
    assert dispatcher.wait_idle(WAIT_S)


def test_a_call_keeps_the_order_of_its_pod_and_of_its_container() -> None:
    dispatcher = Dispatcher(small(pods=4))
    order: list[str] = []
    gate = Gate()
    first = in_thread(dispatcher, job(gate, "pod", "old container"))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(job(lambda: order.append("with another pod's name"), "old container"))
    dispatcher.submit(job(lambda: order.append("a new container"), "pod", "new container"))
    dispatcher.submit(job(lambda: order.append("behind the one that waits"), "new container"))
    assert order == []
    gate.go_on.set()
    first.join(WAIT_S)

    assert order == ["with another pod's name", "a new container", "behind the one that waits"]


def test_other_pods_pass_a_busy_one() -> None:
    dispatcher = Dispatcher(small(pods=4))
    ran: list[str] = []
    gate = Gate()
    thread = in_thread(dispatcher, job(gate, "pod"))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(job(lambda: ran.append("other"), "other"))

    assert ran == ["other"]
    gate.go_on.set()
    thread.join(WAIT_S)


def test_deletes_move_while_adds_use_up_their_limit() -> None:
    dispatcher = Dispatcher(small())
    ran: list[str] = []
    gate = Gate()
    thread = in_thread(dispatcher, job(gate, "a", place=Place.ADD))
    assert gate.started.wait(WAIT_S)

    dispatcher.submit(job(lambda: ran.append("add"), "b", place=Place.ADD))
    dispatcher.submit(job(lambda: ran.append("del"), "c"))

    assert ran == ["del"]
    gate.go_on.set()
    thread.join(WAIT_S)
    assert ran == ["del", "add"]


def test_nested_calls_pass_when_every_pod_waits_for_one() -> None:
    dispatcher = Dispatcher(small())
    ran: list[str] = []
    gates = [Gate(), Gate(), Gate()]
    places = (Place.ADD, Place.OTHER, Place.NESTING)
    threads = [
        in_thread(dispatcher, job(gate, place=place))
        for gate, place in zip(gates, places, strict=True)
    ]
    assert all(gate.started.wait(WAIT_S) for gate in gates)

    dispatcher.submit(job(lambda: ran.append("pod"), place=Place.OTHER))
    dispatcher.submit(job(lambda: ran.append("nesting"), place=Place.NESTING))
    dispatcher.submit(job(lambda: ran.append("leaf"), place=Place.LEAF))

    assert ran == ["leaf"]
    for gate in gates:
        gate.go_on.set()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(ran) == ["leaf", "nesting", "pod"]


@pytest.mark.parametrize("threads", [MIN_THREADS, 5, 8, 32, 128])
def test_every_kind_of_call_has_a_thread_that_no_other_kind_can_take(threads: int) -> None:
    share = limits(threads)

    assert share.pods + share.nesting < threads
    assert 1 <= share.adds < share.pods
    assert share.nesting >= 1


@pytest.mark.parametrize("parked_limit", [1, 100])
def test_a_full_queue_is_refused_with_try_again(parked_limit: int) -> None:
    dispatcher = Dispatcher(small(pods=1), parked_limit=parked_limit, parked_bytes=10)
    gate = Gate()
    thread = in_thread(dispatcher, job(gate, "a"))
    assert gate.started.wait(WAIT_S)
    dispatcher.submit(job(lambda: None, "b", size=6))

    with pytest.raises(TryAgainError):
        dispatcher.submit(job(lambda: None, "c", size=6))

    gate.go_on.set()
    thread.join(WAIT_S)


def test_a_broken_call_does_not_keep_the_next_of_its_pod(
    caplog: pytest.LogCaptureFixture,
) -> None:
    dispatcher = Dispatcher(small())
    gate, ran = Gate(), threading.Event()

    def broken() -> None:
        gate()
        raise RuntimeError("broken on purpose")

    thread = in_thread(dispatcher, job(broken, "pod"))
    assert gate.started.wait(WAIT_S)
    dispatcher.submit(job(ran.set, "pod"))
    gate.go_on.set()

    assert ran.wait(WAIT_S)
    thread.join(WAIT_S)
    assert dispatcher.wait_idle(WAIT_S)
    assert "job.broken" in caplog.text


def test_a_drain_lets_running_calls_end_and_nested_ones_in() -> None:
    dispatcher = Dispatcher(small(pods=1))
    done: list[str] = []
    gate = Gate()
    thread = in_thread(dispatcher, job(gate, "a", place=Place.ADD))
    assert gate.started.wait(WAIT_S)
    dispatcher.submit(job(lambda: done.append("ran"), "a", drop=lambda: done.append("dropped")))

    assert not dispatcher.drain(0.01)
    with pytest.raises(DrainingError):
        dispatcher.submit(job(lambda: done.append("late"), "b"))
    dispatcher.submit(job(lambda: done.append("nested"), place=Place.LEAF))
    gate.go_on.set()

    assert dispatcher.drain(WAIT_S)
    thread.join(WAIT_S)
    assert done == ["dropped", "nested"]
