"""Remembers which containers were deleted, so that an ADD that began before its DEL does nothing.

Such an ADD exists: the runtime lost patience, killed nobody, and sent DEL. An ADD that began after
the DEL is a new one, though the id is the same: callers name containers after their namespace, or
start a stopped container again. Both times are the shims' own, of one clock (CLOCK_BOOTTIME). What
waits in a socket does not outlive the daemon, so this memory need not either.
"""

from __future__ import annotations

import threading
import time

LIMIT = 2048


class Tombstones:
    """Ids of deleted containers with the time at which the newest DEL began; bounded."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Begin empty."""
        self._limit = limit
        self._lock = threading.Lock()
        self._deleted: dict[str, int] = {}

    def bury(self, container_id: str, started: int) -> None:
        """Note a DEL; the oldest go when there are too many.

        A time in the future is of an earlier boot (a DEL that was kept): now counts instead.
        """
        moment = min(started, time.clock_gettime_ns(time.CLOCK_BOOTTIME))
        with self._lock:
            self._deleted[container_id] = max(moment, self._deleted.pop(container_id, 0))
            while len(self._deleted) > self._limit:
                del self._deleted[next(iter(self._deleted))]

    def is_late(self, container_id: str, started: int) -> bool:
        """Tell whether an ADD that began then has been deleted since; 0 is an unknown time."""
        with self._lock:
            return 0 < started <= self._deleted.get(container_id, 0)
