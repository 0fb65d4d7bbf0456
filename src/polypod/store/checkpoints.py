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
    """Starts a thread now and then, one at a time; none stays. The connection does."""

    def __init__(self, path: Path | None, *, every: int = EVERY) -> None:
        """Open the database, which its writer has opened before; None when nobody writes."""
        self._database = None if path is None else _open(path)
        self._every = every
        self._writes = 0
        self._thread: threading.Thread | None = None

    def wrote(self) -> None:
        """Count a write, and see to it that a checkpoint comes in time; one caller at a time."""
        self._writes += 1
        is_under_way = self._thread is not None and self._thread.is_alive()
        if self._database is None or self._writes < self._every or is_under_way:
            return
        self._writes = 0
        self._thread = threading.Thread(
            target=_carry_over, args=(self._database,), name="checkpoint", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Close the connection, when no checkpoint is under way any more."""
        self.wait()
        if self._database is not None:
            self._database.close()

    def wait(self) -> None:
        """Return when none is under way."""
        if self._thread is not None:
            self._thread.join()


def _carry_over(database: sqlite3.Connection) -> None:
    with contextlib.suppress(sqlite3.Error):  # the writer's own will do
        database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def _open(path: Path) -> sqlite3.Connection | None:
    """Return a connection with all of its files open; None where there may be only one.

    It is kept: SQLite would not close the file while the writer's connection has locks on it.
    """
    try:
        database = sqlite3.connect(path, timeout=0, check_same_thread=False, isolation_level=None)
    except sqlite3.Error:
        return None
    try:
        database.execute("PRAGMA cache_size=-64")
        database.execute("SELECT count(*) FROM attachment").fetchone()
    except sqlite3.Error:
        database.close()
        return None
    return database
