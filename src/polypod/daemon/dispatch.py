"""Who may run now: one call a pod at a time, slow verbs bounded, nested calls never kept waiting.

A thread that accepted a call either runs it or parks it and goes back to accept(); whoever
finishes runs what was parked. So no thread sleeps on another pod's queue.

Why calls inside calls cannot deadlock: a call waits for another one only by running a foreign
plugin. Pods' calls (ADD, OTHER) may run plugins that call us by a plugin's name; such a call
(NESTING) may run a foreign IPAM plugin that calls us again (LEAF); a LEAF runs nobody. Each kind
has a limit of its own, and what is left of the threads is for LEAF calls alone.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum

import msgspec

from polypod.errors import TryAgainError

log = logging.getLogger("polypod.dispatch")


class Place(Enum):
    """What a call may wait for, and so which limit it counts against."""

    ADD = "add"
    OTHER = "other"
    """DEL, CHECK and GC: they move while ADDs are slow."""
    NESTING = "nesting"
    """A call by a plugin's name that may run a foreign plugin."""
    LEAF = "leaf"
    """It runs no foreign plugin."""

    @property
    def is_pods(self) -> bool:
        """Tell whether a runtime made it for a pod, not a plugin for its own caller."""
        return self in {Place.ADD, Place.OTHER}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How many calls of each kind run at once."""

    adds: int
    pods: int
    """ADDs and the others together."""
    nesting: int


def limits(threads: int) -> Limits:
    """Share out the threads: some only for leaves, some only for nesting calls, some for DEL."""
    leaves = max(1, threads // 8)
    nesting = max(1, threads // 6)
    pods = max(2, threads - leaves - nesting)
    return Limits(adds=pods - max(1, pods // 6), pods=pods, nesting=nesting)


MIN_THREADS = 4
"""Fewer would leave a kind of call without a thread of its own."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One accepted call."""

    run: Callable[[], None]
    drop: Callable[[], None]
    """Ends it before it began."""
    place: Place
    keys: frozenset[str] = frozenset()
    """The pod and the container, whose calls keep their order."""
    size_bytes: int = 0


class DrainingError(TryAgainError):
    """The daemon is about to end: the call must not begin here."""


class Dispatcher:
    """Runs jobs in the callers' own threads, within limits."""

    def __init__(
        self, allowed: Limits, *, parked_limit: int = 1024, parked_bytes: int = 16 << 20
    ) -> None:
        """Set how many jobs run at once, how many may wait, and how large those may be together."""
        self._allowed = allowed
        self._parked_limit = parked_limit
        self._parked_bytes = parked_bytes
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._busy: set[str] = set()
        self._parked: deque[Job] = deque()
        self._waiting_bytes = 0
        self._running = dict.fromkeys(Place, 0)
        self._is_draining = False

    @property
    def parked(self) -> int:
        """Tell how many jobs wait."""
        return len(self._parked)

    @property
    def running(self) -> int:
        """Tell how many jobs run."""
        return sum(self._running.values())

    def submit(self, job: Job) -> None:
        """Run the job now, or park it for whoever finishes next.

        Raises:
            DrainingError: pods' calls are not begun any more.
            TryAgainError: too many wait already.
        """
        with self._lock:
            if self._is_draining and job.place.is_pods:
                raise DrainingError("the daemon is ending")
            if self._is_kept_back(job) or not self._may_run(job):
                self._park(job)
                return
            self._start(job)
        next_job: Job | None = job
        while next_job is not None:
            next_job = self._run(next_job)

    def drain(self, timeout_s: float) -> bool:
        """Begin no pod's call any more, wait for those that run; tell whether all ended in time.

        Calls by a plugin's name go on: the pods' calls may be waiting for them.
        """
        with self._lock:
            self._is_draining = True
            dropped = [job for job in self._parked if job.place.is_pods]
            self._parked = deque(job for job in self._parked if not job.place.is_pods)
            self._waiting_bytes = sum(job.size_bytes for job in self._parked)
        for job in dropped:
            job.drop()
        with self._changed:
            return self._changed.wait_for(lambda: not self._pods(), timeout=timeout_s)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing runs or waits; tell whether that came about in time."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not self.running and not self._parked, timeout=timeout_s
            )

    def _run(self, job: Job) -> Job | None:
        try:
            job.run()
        except Exception:  # whatever it was, the next of its pod must get its turn
            log.exception("job.broken")
        with self._lock:
            self._running[job.place] -= 1
            self._busy -= job.keys
            self._changed.notify_all()
            return self._take()

    def _park(self, job: Job) -> None:
        bytes_then = self._waiting_bytes + job.size_bytes
        if len(self._parked) >= self._parked_limit or bytes_then > self._parked_bytes:
            raise TryAgainError("the daemon's queue is full")
        self._waiting_bytes = bytes_then
        self._parked.append(job)

    def _pods(self) -> int:
        return self._running[Place.ADD] + self._running[Place.OTHER]

    def _is_kept_back(self, job: Job) -> bool:
        """Tell whether an earlier call of its pod waits already."""
        return bool(job.keys) and any(job.keys & other.keys for other in self._parked)

    def _may_run(self, job: Job) -> bool:
        if job.keys & self._busy:
            return False
        match job.place:
            case Place.ADD:
                return (
                    self._running[Place.ADD] < self._allowed.adds
                    and self._pods() < self._allowed.pods
                )
            case Place.OTHER:
                return self._pods() < self._allowed.pods
            case Place.NESTING:
                return self._running[Place.NESTING] < self._allowed.nesting
            case Place.LEAF:
                return True

    def _start(self, job: Job) -> None:
        self._running[job.place] += 1
        self._busy |= job.keys

    def _take(self) -> Job | None:
        """Start the oldest parked job that may run; an earlier one of its pod keeps its place."""
        passed: set[str] = set()
        for place, job in enumerate(self._parked):
            if not job.keys & passed and self._may_run(job):
                del self._parked[place]
                self._waiting_bytes -= job.size_bytes
                self._start(job)
                return job
            passed |= job.keys
        return None
