"""Who computes: one ADD at a time, while others wait in the kernel, for a lock or for a plugin.

Python runs one thread at a time anyway, and every system call hands the interpreter to another
thread: with sixteen ADDs at once most of the time goes into waking each other (docs/adr/0020). So
whoever has the baton keeps it through its short calls, and gives it away for the long ones.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager


class _Thread(threading.local):
    has_it: bool = False
    asides: int = 0


class Baton:
    """One baton, for all threads of a process."""

    def __init__(self) -> None:
        """Nobody has it."""
        self._lock = threading.Lock()
        self._thread = _Thread()
        self.held: AbstractContextManager[None] = _Held(self._lock, self._thread)
        """A block that computes; not within another."""
        self.aside: AbstractContextManager[None] = _Aside(self._lock, self._thread)
        """A block that waits, within or without one that computes."""


class _Held(AbstractContextManager[None]):
    def __init__(self, lock: threading.Lock, thread: _Thread) -> None:
        self._lock = lock
        self._thread = thread

    def __enter__(self) -> None:
        self._lock.acquire()
        self._thread.has_it = True

    def __exit__(self, *raised: object) -> None:
        self._thread.has_it = False
        self._lock.release()


class _Aside(AbstractContextManager[None]):
    def __init__(self, lock: threading.Lock, thread: _Thread) -> None:
        self._lock = lock
        self._thread = thread

    def __enter__(self) -> None:
        thread = self._thread
        thread.asides += 1
        if thread.has_it and thread.asides == 1:
            self._lock.release()

    def __exit__(self, *raised: object) -> None:
        thread = self._thread
        if thread.has_it and thread.asides == 1:
            self._lock.acquire()
        thread.asides -= 1
