"""One computes, the others wait: the baton, alone and with pools that have locks of their own."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from polypod.engine.baton import Baton
from polypod.store.leases import LeaseFiles

PATIENCE_S = 10.0


@pytest.fixture
def baton() -> Baton:
    return Baton()


def others_turn(baton: Baton) -> bool:
    """Tell whether another thread can have the baton now."""
    taken = threading.Event()

    def take() -> None:
        with baton.held:
            taken.set()

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    is_taken = taken.wait(0.2)
    if is_taken:
        thread.join()
    return is_taken


def test_two_never_compute_at_once(baton: Baton) -> None:
    with baton.held:
        assert not others_turn(baton)


def test_who_waits_lets_others_compute(baton: Baton) -> None:
    with baton.held, baton.aside:
        assert others_turn(baton)


def test_whoever_waited_computes_alone_again(baton: Baton) -> None:
    with baton.held:
        with baton.aside:
            pass
        assert not others_turn(baton)


def test_a_wait_within_a_wait_changes_nothing(baton: Baton) -> None:
    with baton.held:
        with baton.aside:
            with baton.aside:
                pass
            assert others_turn(baton)
        assert not others_turn(baton)


def test_waiting_without_the_baton_takes_it_from_nobody(baton: Baton) -> None:
    def wait() -> None:
        with baton.aside:
            pass

    with baton.held:
        thread = threading.Thread(target=wait, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert not others_turn(baton)


def test_an_error_gives_it_back(baton: Baton) -> None:
    with pytest.raises(ValueError, match="of a block"), baton.held, baton.aside:
        raise ValueError("of a block")
    assert others_turn(baton)


def test_threads_that_share_a_pool_all_come_to_their_end(baton: Baton, tmp_path: Path) -> None:
    """Who has the pool may have to wait for the baton, and who has the baton for the pool."""
    pools = LeaseFiles(default=tmp_path / "networks", roots=(tmp_path,), aside=baton.aside)
    elsewhere = LeaseFiles(default=tmp_path / "networks", roots=(tmp_path,))
    ended: list[int] = []

    def with_baton(number: int) -> None:
        for at in range(50):
            with baton.held, pools.locked("", "net") as pool, baton.aside:
                pool.reserve(f"10.{number}.0.{at}", f"c{number}", "eth0")
        ended.append(number)

    def of_another_program() -> None:
        for at in range(50):
            with elsewhere.locked("", "net") as pool:
                pool.reserve(f"10.99.0.{at}", "other", "eth0")
        ended.append(99)

    threads = [threading.Thread(target=with_baton, args=(n,), daemon=True) for n in range(8)]
    threads.append(threading.Thread(target=of_another_program, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(ended) == [*range(8), 99]
