"""Carries what the journal wrote ahead into its database, beside the ADDs.

Only here is the disk waited for: 8 ms for every 100 writes, which cost each pod of four networks a
fifth of a millisecond while everybody waited (measured). The writer's own connection still does the
same when its limit is reached.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from pathlib import Path

EVERY = 100
"""Writes; each is a page or two, and the limit of the writer's connection is 1000 pages."""


class Checkpoints:
    """Starts a thread now and then, one at a time; none stays."""

    def __init__(self, path: Path, *, every: int = EVERY) -> None:
        """Keep which database it is."""
        self._path = path
        self._every = every
        self._writes = 0
        self._thread: threading.Thread | None = None

    def wrote(self) -> None:
        """Count a write, and see to it that a checkpoint comes in time; one caller at a time."""
        self._writes += 1
        if self._writes < self._every or (self._thread is not None and self._thread.is_alive()):
            return
        self._writes = 0
        self._thread = threading.Thread(target=self._carry_over, name="checkpoint", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Return when none is under way."""
        if self._thread is not None:
            self._thread.join()

    def _carry_over(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # the writer's own will do
            database = sqlite3.connect(self._path, timeout=0)
            with contextlib.closing(database):
                database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
