"""The journal's database file: opened whatever state it is in, so that a node starts pods again.

What is no database any more is moved aside, never deleted; rows that can still be read are carried
over. A disk that is full is no damage: the file is then opened without the shared memory that could
not be made, for this process alone.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from polypod.errors import StorageError

log = logging.getLogger("polypod.store")
SCHEMA_VERSION = 1
_COLUMNS = frozenset({"container_id", "network", "ifname", "position", "version", "record"})
_SCHEMA = """
CREATE TABLE IF NOT EXISTS attachment (
    container_id TEXT NOT NULL, network TEXT NOT NULL, ifname TEXT NOT NULL,
    position INTEGER NOT NULL, version INTEGER NOT NULL, record BLOB NOT NULL,
    PRIMARY KEY (container_id, network, ifname)) WITHOUT ROWID;
"""
_SIDE_FILES = ("-wal", "-shm")
_CARRIED = "SELECT container_id, network, ifname, position, version, record FROM attachment"
_CARRY_OVER = "INSERT OR IGNORE INTO attachment VALUES (?, ?, ?, ?, ?, ?)"
_PAGE_BYTES = 1 << 14
"""A pod's records lie in one page and go out in one write; in pages of 4 KiB each of them overflows
into one of its own. Counts for new files; an old one keeps its pages."""
_CHECKPOINT_PAGES = 1000
"""16 MiB of the file that is written ahead; checkpoints.py comes before that."""
_NO_ROOM = frozenset({"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_SHMOPEN"})


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Open the database, make it, or replace what is damaged.

    Raises:
        StorageError: the folder cannot be used, or somebody else holds the file.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _open_or_replace(path)
    except sqlite3.Error as error:
        raise StorageError(f"journal: {error}: {path}") from error
    except OSError as error:
        raise StorageError(f"journal: {error.strerror}: {path}") from error


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open what is there and change nothing, for another process than the daemon.

    Raises:
        StorageError: it is damaged or cannot be read.
    """
    try:
        return sqlite3.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(f"journal: {error}: {path}") from error


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether an error means that the file's content is no database of ours."""
    return getattr(error, "sqlite_errorname", "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def replace_damaged(path: Path, cause: sqlite3.Error | str) -> sqlite3.Connection:
    """Move the file and those beside it aside and open a new one with what could be read.

    Raises:
        sqlite3.Error: a new one cannot be made either.
    """
    aside = _free_name(path)
    for suffix in ("", *_SIDE_FILES):
        beside = path.with_name(path.name + suffix)
        if beside.exists() or beside.is_symlink():
            beside.rename(aside.with_name(aside.name + suffix))
    database = _open(path)
    carried = _carry_over(aside, database)
    log.error("journal.damaged cause=%r moved_to=%s carried_over=%d", str(cause), aside, carried)
    return database


def _open_or_replace(path: Path) -> sqlite3.Connection:
    if path.is_dir():
        return replace_damaged(path, "a folder is in its place")
    _clear_side_folders(path)
    try:
        return _open(path)
    except sqlite3.Error as error:
        if is_damage(error):
            return replace_damaged(path, error)
        if getattr(error, "sqlite_errorname", "") in _NO_ROOM:
            log.error("journal.alone cause=%r", str(error))  # noqa: TRY400 - no defect of ours
            return _open(path, alone=True)
        raise


def _clear_side_folders(path: Path) -> None:
    for suffix in _SIDE_FILES:
        beside = path.with_name(path.name + suffix)
        if beside.is_dir():
            aside = _free_name(path)
            beside.rename(aside.with_name(aside.name + suffix))
            log.error("journal.damaged cause='%s is a folder' moved_to=%s", beside.name, aside)


def _open(path: Path, *, alone: bool = False) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        if alone:
            database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA busy_timeout=5000")
        database.execute(f"PRAGMA page_size={_PAGE_BYTES}")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        database.execute("PRAGMA synchronous=NORMAL")
        database.execute("PRAGMA cache_size=-512")
        (state,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if state != "ok":
            raise _damage(str(state))
        _bring_to_schema(database)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _bring_to_schema(database: sqlite3.Connection) -> None:
    """Make the table; a newer Polypod's has more columns at most, and is left as it is."""
    (version,) = database.execute("PRAGMA user_version").fetchone()
    columns = [name for _, name, *_ in database.execute("PRAGMA table_info(attachment)")]
    if columns:
        if not set(columns) >= _COLUMNS:
            raise _damage(f"table attachment has the columns {', '.join(columns)[:200]}")
        if version > SCHEMA_VERSION:
            log.warning("journal.newer schema=%d ours=%d", version, SCHEMA_VERSION)
        return
    database.executescript(f"{_SCHEMA}PRAGMA user_version={SCHEMA_VERSION};")


def _damage(text: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(text)
    error.sqlite_errorname = "SQLITE_CORRUPT"
    return error


def _free_name(path: Path) -> Path:
    number = 1
    while (aside := path.with_name(f"{path.name}.damaged-{number}")).exists():
        number += 1
    return aside


def _carry_over(aside: Path, database: sqlite3.Connection) -> int:
    """Copy the rows that can be read until the first that cannot; return how many."""
    carried = 0
    with contextlib.suppress(sqlite3.Error):
        for row in _rows(aside):
            database.execute(_CARRY_OVER, row)
            carried += 1
    return carried


def _rows(path: Path) -> Iterator[tuple[object, ...]]:
    if not path.is_file():
        return
    damaged = sqlite3.connect(path)
    try:
        yield from damaged.execute(_CARRIED)
    finally:
        damaged.close()


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
