"""Which ADD is late, and which is a new one of the same container."""

from __future__ import annotations

import time

from polypod.daemon.tombstones import Tombstones


def test_an_add_that_began_before_the_del_is_late() -> None:
    stones = Tombstones()
    stones.bury("a", 100)

    assert stones.is_late("a", 99) and stones.is_late("a", 100)


def test_an_add_that_began_after_the_del_is_a_new_one() -> None:
    stones = Tombstones()
    stones.bury("a", 100)

    assert not stones.is_late("a", 101)
    assert not stones.is_late("b", 99)


def test_a_caller_without_a_clock_is_never_late() -> None:
    stones = Tombstones()
    stones.bury("a", 100)

    assert not stones.is_late("a", 0)


def test_an_older_del_does_not_take_a_newer_one_back() -> None:
    stones = Tombstones()
    stones.bury("a", 200)
    stones.bury("a", 100)

    assert stones.is_late("a", 150)


def test_a_del_kept_in_an_earlier_boot_does_not_bury_the_future() -> None:
    stones = Tombstones()
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    stones.bury("a", now + 10**15)

    assert not stones.is_late("a", time.clock_gettime_ns(time.CLOCK_BOOTTIME) + 1)


def test_the_oldest_go_when_there_are_too_many() -> None:
    stones = Tombstones(limit=2)
    for place, name in enumerate("abc", start=1):
        stones.bury(name, place)

    assert not stones.is_late("a", 1)
    assert stones.is_late("b", 1) and stones.is_late("c", 1)
