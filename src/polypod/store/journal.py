"""The write-ahead journal: SQLite in WAL mode, one connection behind a lock.

synchronous=NORMAL survives a crash of the daemon without a disk flush per ADD; when the disk is
waited for is checkpoints.py's subject, and what state the file may be found in journal_file.py's.
Here are its rows. A removal that a full disk refuses is remembered in memory and made good with
the next write: a DEL never waits for room.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from polypod.errors import StorageError
from polypod.plan.record import RECORD_VERSION, Record
from polypod.store import journal_file
from polypod.store.checkpoints import Checkpoints

log = logging.getLogger("polypod.store")
Key: TypeAlias = tuple[str, str, str]
_PUT = (
    "INSERT OR REPLACE INTO attachment (container_id, network, ifname, position, version, record)"
    " VALUES "
)
_REMOVE = "DELETE FROM attachment WHERE (container_id, network, ifname) IN (VALUES {})"
_COLUMNS = "SELECT container_id, network, ifname, version, record FROM attachment"
_AT_ONCE = 500
"""Removals in one statement: SQLite bounds its variables."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class SqliteJournal:
    """Attachments by (container id, network, interface)."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open or create the database; a damaged one is replaced, unless it is only to be read.

        Raises:
            StorageError: the folder cannot be used.
        """
        self._path = path
        self._read_only = read_only
        self._lock = threading.Lock()
        self._removed: set[Key] = set()
        self._told: set[Key] = set()
        open_ = journal_file.open_for_reading if read_only else journal_file.open_for_writing
        self._database = open_(path)
        self._checkpoints = Checkpoints(None if read_only else path)
        self._pods: dict[Key, tuple[str, str]] = {}
        if not read_only:
            self._pods = {_key(r): (r.pod_namespace, r.pod_name) for r in self.all()}

    def close(self) -> None:
        """Close the database; removals that were only remembered get a last try."""
        with self._lock:
            self._make_good()
            self._checkpoints.close()
            self._database.close()

    def put(self, *records: Record) -> None:
        """Insert or replace records: all of them, or none.

        Raises:
            StorageError: the disk is full or refuses; nothing was written.
        """
        if not records:
            return
        values = [value for record in records for value in _row(record)]
        with self._lock:
            self._execute(_PUT + _rows(len(records), 6), values)
            self._checkpoints.wrote()
            for record in records:
                self._removed.discard(_key(record))
                self._pods[_key(record)] = (record.pod_namespace, record.pod_name)
            self._make_good()

    def remove(self, *records: Record) -> None:
        """Forget records; absent is fine, and so is a disk that cannot be written now."""
        keys = [_key(record) for record in records]
        with self._lock:
            for key in keys:
                self._pods.pop(key, None)
            try:
                self._forget(keys)
            except StorageError as error:
                self._removed.update(keys)
                shown = " ".join("/".join(key) for key in keys)
                log.error("journal.unwritten removed=%r cause=%r", shown, error.cause)  # noqa: TRY400
                return
            self._make_good()

    def has_pod(self, namespace: str, name: str, *, besides: str) -> bool:
        """Tell whether a container of this pod has a record, other than the one `besides`."""
        with self._lock:
            return any(
                pod == (namespace, name) and container != besides
                for (container, *_), pod in self._pods.items()
            )

    def of_container(self, container_id: str) -> tuple[Record, ...]:
        """Return a container's records in order of position.

        Raises:
            StorageError: the disk refuses.
        """
        return self._read(f"{_COLUMNS} WHERE container_id = ? ORDER BY position", (container_id,))

    def all(self) -> tuple[Record, ...]:
        """Return every record, container by container.

        Raises:
            StorageError: the disk refuses.
        """
        return self._read(f"{_COLUMNS} ORDER BY container_id, position", ())

    def _make_good(self) -> None:
        """Carry out removals that were only remembered."""
        if not self._removed:
            return
        with contextlib.suppress(StorageError):
            some = tuple(self._removed)[:_AT_ONCE]
            self._forget(some)
            self._removed.difference_update(some)

    def _forget(self, keys: Sequence[Key]) -> None:
        self._execute(_REMOVE.format(_rows(len(keys), 3)), [part for key in keys for part in key])
        self._checkpoints.wrote()

    def _read(self, statement: str, values: Sequence[object]) -> tuple[Record, ...]:
        with self._lock:
            rows = self._execute(statement, values)
            found = (self._record((c, n, i), version, raw) for c, n, i, version, raw in rows)
            return tuple(record for record in found if record is not None)

    def _execute(self, statement: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        try:
            try:
                return self._database.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                if self._read_only or not journal_file.is_damage(error):
                    raise
                self._checkpoints.close()
                self._database.close()
                self._database = journal_file.replace_damaged(self._path, error)
                self._checkpoints = Checkpoints(self._path)
                return self._database.execute(statement, values).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"journal: {error}") from error

    def _record(self, key: Key, version: int, raw: bytes) -> Record | None:
        """Return a row's record; one that only a newer Polypod can read is named, and kept."""
        if key in self._removed:
            return None
        cause = f"written by a newer Polypod (record version {version}, ours {RECORD_VERSION})"
        if version <= RECORD_VERSION:
            try:
                return _decode(raw)
            except msgspec.DecodeError as error:
                cause = str(error)
        if key not in self._told:
            self._told.add(key)
            log.error("journal.unreadable kept=%s cause=%r", "/".join(key), cause)
        return None


def _key(record: Record) -> Key:
    return record.container_id, record.network, record.ifname


def _row(record: Record) -> tuple[object, ...]:
    return (*_key(record), record.position, record.version, _encode(record))


def _rows(count: int, columns: int) -> str:
    """Return the places of so many rows in a statement."""
    return ", ".join([f"({', '.join('?' * columns)})"] * count)
