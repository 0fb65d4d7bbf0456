"""Names that were missing a moment ago."""

from __future__ import annotations

from polypod.kube.missing import MOST, SECONDS, Missing
from polypod.testing.clock import FakeClock


def test_a_miss_is_remembered_for_a_while() -> None:
    clock = FakeClock()
    missing = Missing(clock=clock.monotonic)

    before = missing.has(("a", "b"))
    missing.add(("a", "b"))
    then = missing.has(("a", "b"))
    clock.advance(SECONDS)

    assert (before, then) == (False, True)
    assert not missing.has(("a", "b"))
    assert not missing.has(("b", "a"))


def test_many_misses_take_no_more_memory() -> None:
    missing = Missing()

    for number in range(MOST + 1):
        missing.add(("a", str(number)))

    assert missing.has(("a", str(MOST)))
    assert not missing.has(("a", "0"))
