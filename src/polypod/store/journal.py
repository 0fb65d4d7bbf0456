"""The write-ahead journal: SQLite in WAL mode, one connection behind a lock.

synchronous=NORMAL survives a crash of the daemon without a disk flush per ADD. A damaged database
is moved aside with an error in the log: a node must start pods again, whatever the disk did.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec

from polypod.errors import StorageError
from polypod.plan.record import Record

log = logging.getLogger("polypod.store")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS attachment (
    container_id TEXT NOT NULL, network TEXT NOT NULL, ifname TEXT NOT NULL,
    position INTEGER NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (container_id, network, ifname)) WITHOUT ROWID;
"""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class SqliteJournal:
    """Attachments by (container id, network, interface)."""

    def __init__(self, path: Path) -> None:
        """Open or create the database.

        Raises:
            StorageError: the folder cannot be used.
        """
        self._path = path
        self._lock = threading.Lock()
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._database = self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                raise StorageError(f"journal: {error}: {path}") from error
            self._move_aside(error)
            self._database = self._open()
        except OSError as error:
            raise StorageError(f"journal: {error.strerror}: {path}") from error

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        try:
            database.execute("PRAGMA journal_mode=WAL")
            database.execute("PRAGMA synchronous=NORMAL")
            database.execute("PRAGMA busy_timeout=5000")
            database.execute("PRAGMA cache_size=-512")
            (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
            if state != "ok":
                raise sqlite3.DatabaseError(state)
            database.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            database.close()
            raise
        return database

    def _move_aside(self, error: sqlite3.DatabaseError) -> None:
        number = 1
        while (aside := self._path.with_name(f"{self._path.name}.damaged-{number}")).exists():
            number += 1
        log.error("journal.damaged cause=%r moved_to=%s", str(error), aside)
        self._path.rename(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._database.close()

    def put(self, record: Record) -> None:
        """Insert or replace a record.

        Raises:
            StorageError: the disk is full or refuses; nothing was written.
        """
        self._write(
            "INSERT OR REPLACE INTO attachment VALUES (?, ?, ?, ?, ?, ?)",
            (
                record.container_id,
                record.network,
                record.ifname,
                record.position,
                record.version,
                _encode(record),
            ),
        )

    def remove(self, record: Record) -> None:
        """Forget a record; absent is fine."""
        self._write(
            "DELETE FROM attachment WHERE container_id = ? AND network = ? AND ifname = ?",
            (record.container_id, record.network, record.ifname),
        )

    def of_container(self, container_id: str) -> tuple[Record, ...]:
        """Return a container's records in order of position."""
        return self._read(
            "SELECT record FROM attachment WHERE container_id = ? ORDER BY position",
            (container_id,),
        )

    def all(self) -> tuple[Record, ...]:
        """Return every record, container by container."""
        return self._read("SELECT record FROM attachment ORDER BY container_id, position", ())

    def _write(self, statement: str, values: Sequence[object]) -> None:
        try:
            with self._lock:
                self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise StorageError(f"journal: {error}") from error

    def _read(self, statement: str, values: Sequence[object]) -> tuple[Record, ...]:
        try:
            with self._lock:
                rows = self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise StorageError(f"journal: {error}") from error
        found: list[Record] = []
        for (raw,) in rows:
            try:
                found.append(_decode(raw))
            except msgspec.DecodeError as error:
                log.error("journal.unreadable cause=%r", str(error))  # noqa: TRY400
        return tuple(found)
