"""The outbox: one thread, one letter an address, again when that can help, everything counted."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from polypod.errors import ApiError, PolypodError, TryAgainError
from polypod.kube.client import Backoff
from polypod.kube.outbox import MOST_TRIES, Outbox, Pace, Tally

SOON_S = 5.0


@dataclass
class Server:
    """Takes letters, or refuses them with what a test put into `errors`."""

    errors: list[Exception] = field(default_factory=list[Exception])
    taken: list[str] = field(default_factory=list[str])
    open: threading.Event = field(default_factory=threading.Event)
    tried: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.open.set()

    def send(self, item: str) -> None:
        self.tried.release()
        assert self.open.wait(SOON_S)
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(item)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def outbox(server: Server) -> Iterator[Outbox[str]]:
    made: Outbox[str] = Outbox(
        "letters",
        server.send,
        most=3,
        merge=lambda older, newer: f"{older}+{newer}",
        backoff=Backoff(first_s=0.001, most_s=0.001),
    )
    yield made
    server.open.set()
    made.stop(0)


def refused(status: int) -> ApiError:
    return ApiError(f"API server: {status}", status=status)


def test_letters_go_out_in_order(server: Server, outbox: Outbox[str]) -> None:
    for word in ("a", "b", "c"):
        outbox.put(word, word)

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["a", "b", "c"]
    assert outbox.tally == Tally(written=3)


def test_a_newer_letter_takes_in_the_one_that_waits(server: Server, outbox: Outbox[str]) -> None:
    outbox.put("k", "old")
    outbox.put("k", "new")

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["old+new"]


def test_the_oldest_goes_when_too_many_wait(server: Server, outbox: Outbox[str]) -> None:
    for word in ("a", "b", "c", "d"):
        outbox.put(word, word)

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["b", "c", "d"]
    assert outbox.tally == Tally(written=3, dropped=1)


@pytest.mark.parametrize(
    "error", [TryAgainError("away"), refused(500), refused(429), refused(409), refused(403)]
)
def test_what_another_try_may_mend_is_tried_again(
    error: PolypodError, server: Server, outbox: Outbox[str]
) -> None:
    server.errors = [error]
    outbox.put("k", "text")

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["text"]
    assert outbox.tally == Tally(written=1, retried=1)


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422])
def test_what_no_try_would_mend_is_dropped(
    status: int, server: Server, outbox: Outbox[str]
) -> None:
    server.errors = [refused(status)]
    outbox.put("k", "text")
    outbox.put("other", "goes on")

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["goes on"]
    assert outbox.tally == Tally(written=1, dropped=1)


def test_a_server_that_refuses_each_time_is_left_alone_in_the_end(
    server: Server, outbox: Outbox[str]
) -> None:
    server.errors = [refused(500) for _ in range(MOST_TRIES)]
    outbox.put("k", "text")

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == []
    assert outbox.tally == Tally(retried=MOST_TRIES - 1, dropped=1)


def test_tries_while_the_server_was_away_are_no_refusals(
    server: Server, outbox: Outbox[str]
) -> None:
    server.errors = [TryAgainError("away")] * (2 * MOST_TRIES)
    server.errors += [refused(403)] * (MOST_TRIES - 1)
    outbox.put("k", "text")

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["text"]


def test_a_defect_of_ours_costs_one_letter(server: Server, outbox: Outbox[str]) -> None:
    server.errors = [ValueError("a defect")]
    outbox.put("k", "text")
    outbox.put("other", "goes on")

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == ["goes on"]


def test_a_letter_that_is_tried_again_takes_in_what_came_meanwhile(
    server: Server, outbox: Outbox[str]
) -> None:
    server.errors = [TryAgainError("away")]
    server.open.clear()
    outbox.start()
    outbox.put("k", "old")
    assert server.tried.acquire(timeout=SOON_S)

    outbox.put("k", "new")
    server.open.set()

    assert outbox.stop(SOON_S)
    assert server.taken == ["old+new"]


def test_who_waits_learns_that_it_is_written(server: Server, outbox: Outbox[str]) -> None:
    outbox.start()

    outbox.put_and_wait("k", "text", SOON_S)

    assert server.taken == ["text"]


def test_who_waits_learns_why_it_was_refused(server: Server, outbox: Outbox[str]) -> None:
    server.errors = [refused(422)]
    outbox.start()

    with pytest.raises(ApiError, match="422"):
        outbox.put_and_wait("k", "text", SOON_S)


def test_who_stops_waiting_learns_what_was_in_the_way(server: Server, outbox: Outbox[str]) -> None:
    server.errors = [refused(403)] * 3
    server.errors += [TryAgainError("away")] * 100_000
    outbox.start()

    with pytest.raises(TryAgainError, match="away"):
        outbox.put_and_wait("k", "text", 0.2)


def test_what_nobody_waits_for_any_more_is_not_sent_later(
    server: Server, outbox: Outbox[str]
) -> None:
    with pytest.raises(TryAgainError, match="did not take letters"):
        outbox.put_and_wait("k", "text", 0.01)

    outbox.start()

    assert outbox.stop(SOON_S)
    assert server.taken == []


def test_all_who_wait_for_one_letter_learn_of_it(server: Server, outbox: Outbox[str]) -> None:
    server.errors = [TryAgainError("away")] * 3
    ended = threading.Semaphore(0)

    def wait(word: str) -> None:
        outbox.put_and_wait("k", word, SOON_S)
        ended.release()

    for word in ("old", "new"):
        threading.Thread(target=wait, args=(word,), daemon=True).start()
        _soon(lambda: outbox.waiting == 1)
    _soon(lambda: threading.active_count() >= 3)

    outbox.start()

    assert ended.acquire(timeout=SOON_S) and ended.acquire(timeout=SOON_S)
    assert len(server.taken) in {1, 2}


def test_who_gives_up_does_not_take_anothers_letter_along(
    server: Server, outbox: Outbox[str]
) -> None:
    ended = threading.Event()

    def wait() -> None:
        outbox.put_and_wait("k", "patient", SOON_S)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    _soon(lambda: outbox.waiting == 1)
    with pytest.raises(TryAgainError):
        outbox.put_and_wait("k", "impatient", 0.01)

    outbox.start()

    assert ended.wait(SOON_S)
    assert server.taken == ["patient+impatient"]


def test_a_withdrawn_letter_keeps_nobody_waiting(outbox: Outbox[str]) -> None:
    ended = threading.Event()

    def wait() -> None:
        outbox.put_and_wait("k", "text", SOON_S)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    _soon(lambda: outbox.waiting == 1)

    outbox.withdraw("k")

    assert ended.wait(SOON_S)


def test_a_pace_lets_a_burst_through_and_then_so_many_a_second() -> None:
    pace = Pace(burst=2, per_s=10)

    waits = [pace.wait_s(now) for now in (5.0, 5.0, 5.0, 5.05, 5.11, 5.11)]

    assert waits == [0.0, 0.0, pytest.approx(0.1), pytest.approx(0.05), 0.0, pytest.approx(0.09)]


def _soon(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        threading.Event().wait(0.01)
    raise AssertionError("did not come about in time")


def test_letters_of_one_address_become_one_while_they_rest(server: Server) -> None:
    outbox: Outbox[str] = Outbox(
        "letters", server.send, most=3, merge=lambda older, newer: f"{older}+{newer}", rest_s=0.2
    )
    outbox.start()
    outbox.put("a", "1")
    outbox.put("a", "2")

    assert server.tried.acquire(timeout=SOON_S)

    assert outbox.stop(SOON_S)
    assert server.taken == ["1+2"]


def test_whoever_stops_does_not_wait_for_letters_that_rest(server: Server) -> None:
    outbox: Outbox[str] = Outbox("letters", server.send, most=3, rest_s=3600.0)
    outbox.start()
    outbox.put("a", "a")

    assert outbox.stop(SOON_S)

    assert server.taken == ["a"]
