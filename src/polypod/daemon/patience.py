"""How long a thread waits for a caller's request: a moment for all, seconds for a few.

A shim sends its request at once. One that does not (stopped, or a host that swaps) may be waited
for, but only in a few threads at a time: the others serve. Who finds no such place is hung up on;
a shim takes that as "the daemon is away" and comes again.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator

from polypod.daemon.frames import Deadline

BRIEF_S = 0.25
LONG_S = 5.0


class Patience:
    """The places where slow callers are waited for."""

    def __init__(self, places: int, *, brief_s: float = BRIEF_S, long_s: float = LONG_S) -> None:
        """Set how many there are, and how long is brief and long."""
        self._places = threading.BoundedSemaphore(places)
        self._brief_s = brief_s
        self._long_s = long_s

    @contextlib.contextmanager
    def one(self) -> Generator[_Wait]:
        """Wait for one caller."""
        wait = _Wait(self._places, self._brief_s, self._long_s)
        try:
            yield wait
        finally:
            wait.end()


class _Wait:
    """One caller's time; it takes a place once the brief time is over."""

    def __init__(self, places: threading.BoundedSemaphore, brief_s: float, long_s: float) -> None:
        self._places = places
        self._brief = Deadline(brief_s)
        self._long = Deadline(long_s)
        self._has_place = False

    def left(self) -> float:
        """Return the seconds left, asking for a place when the brief time is over."""
        brief = self._brief.left()
        if brief > 0:
            return brief
        self._has_place = self._has_place or self._places.acquire(blocking=False)
        return self._long.left() if self._has_place else 0.0

    def end(self) -> None:
        """Give the place back."""
        if self._has_place:
            self._places.release()
            self._has_place = False
