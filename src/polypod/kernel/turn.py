"""Whose turn it is to make things: the kernel has one lock for them all.

Threads that wait for that lock inside the kernel burn a processor; here they sleep. Whoever waits,
or is at work in the kernel, lets others compute meanwhile.
"""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext

NOBODY_WAITS: AbstractContextManager[None] = nullcontext()
"""For a process of one thread."""


class Turn(AbstractContextManager[None]):
    """A block that sends what makes things."""

    def __init__(self, aside: AbstractContextManager[None]) -> None:
        """Keep what is around everything that takes long."""
        self.aside = aside
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        """Wait for it."""
        self.aside.__enter__()
        self._lock.acquire()

    def __exit__(self, *raised: object) -> None:
        """Let the next one have it."""
        self._lock.release()
        self.aside.__exit__(None, None, None)
