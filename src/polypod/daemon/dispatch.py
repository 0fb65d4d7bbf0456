"""Who may run now: one call a pod at a time, slow verbs bounded, quick ones never kept waiting.

A thread that accepted a call either runs it or parks it and goes back to accept(); whoever
finishes runs what was parked. So no thread ever sleeps on another pod's queue, and calls by a
plugin's name (made from inside a pod's ADD) always find a thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from polypod.errors import TryAgainError


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One accepted call."""

    run: Callable[[], None]
    key: str = ""
    """The pod, or the container, whose calls keep their order; empty for none."""
    slow: bool = True
    """Counts against the limit."""
    is_add: bool = False
    """Counts against the smaller limit of ADDs, so that DELs always move."""


class Dispatcher:
    """Runs jobs in the callers' own threads, within limits."""

    def __init__(self, *, slow_limit: int, add_limit: int, parked_limit: int = 4096) -> None:
        """Set how many slow jobs and ADDs run at once, and how many may wait."""
        self._slow_limit = slow_limit
        self._add_limit = add_limit
        self._parked_limit = parked_limit
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._busy: set[str] = set()
        self._parked: deque[Job] = deque()
        self._slow = 0
        self._adds = 0
        self._running = 0

    @property
    def parked(self) -> int:
        """Tell how many jobs wait."""
        return len(self._parked)

    @property
    def running(self) -> int:
        """Tell how many jobs run."""
        return self._running

    def submit(self, job: Job) -> None:
        """Run the job now, or park it for whoever finishes next.

        Raises:
            TryAgainError: too many wait already.
        """
        with self._lock:
            if not self._may_run(job):
                if len(self._parked) >= self._parked_limit:
                    raise TryAgainError("the daemon's queue is full")
                self._parked.append(job)
                return
            self._start(job)
        next_job: Job | None = job
        while next_job is not None:
            next_job = self._run(next_job)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs or waits; tell whether that came about in time."""
        with self._idle:
            return self._idle.wait_for(
                lambda: not self._running and not self._parked, timeout=timeout_s
            )

    def _run(self, job: Job) -> Job | None:
        try:
            job.run()
        finally:
            with self._lock:
                self._stop(job)
                following = self._take()
        return following

    def _may_run(self, job: Job) -> bool:
        if job.key and job.key in self._busy:
            return False
        if job.is_add and self._adds >= self._add_limit:
            return False
        return not (job.slow and self._slow >= self._slow_limit)

    def _start(self, job: Job) -> None:
        self._running += 1
        self._slow += job.slow
        self._adds += job.is_add
        if job.key:
            self._busy.add(job.key)

    def _stop(self, job: Job) -> None:
        self._running -= 1
        self._slow -= job.slow
        self._adds -= job.is_add
        self._busy.discard(job.key)
        self._idle.notify_all()

    def _take(self) -> Job | None:
        """Start the oldest parked job that may run; an earlier one of its pod keeps its place."""
        passed: set[str] = set()
        for place, job in enumerate(self._parked):
            if job.key not in passed and self._may_run(job):
                del self._parked[place]
                self._start(job)
                return job
            if job.key:
                passed.add(job.key)
        return None
