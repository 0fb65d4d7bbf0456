"""What the journal wrote ahead reaches its database without the writer's doing."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from polypod.plan.record import Record
from polypod.store import checkpoints
from polypod.store.checkpoints import Checkpoints
from polypod.store.journal import SqliteJournal


def record(number: int) -> Record:
    return Record(container_id=f"c{number:03}", network="net", ifname="net1")


def carried_over(path: Path) -> int:
    """Return how many rows the database has without the file that was written ahead."""
    alone = path.with_name("alone.db")
    shutil.copy(path, alone)
    with closing(sqlite3.connect(alone)) as database:
        (count,) = database.execute("SELECT count(*) FROM attachment").fetchone()
    return int(count)


def open_files(folder: Path) -> list[str]:
    """Return what this process has open in a folder."""
    links = (Path(entry) for entry in Path("/proc/self/fd").iterdir())
    targets = [str(link.readlink()) for link in links if link.is_symlink()]
    return sorted(target for target in targets if target.startswith(str(folder)))


def test_after_enough_writes_the_database_has_what_was_written_ahead(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    SqliteJournal(path).close()
    journal = SqliteJournal(path)

    for number in range(checkpoints.EVERY - 1):
        journal.put(record(number))
    before = carried_over(path)
    journal.put(record(checkpoints.EVERY))
    journal._checkpoints.wait()

    assert before == 0
    assert carried_over(path) == checkpoints.EVERY
    journal.close()


def test_removals_count_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = SqliteJournal(path)
    journal.put(*map(record, range(checkpoints.EVERY)))

    for number in range(checkpoints.EVERY - 1):
        journal.remove(record(number))
    journal._checkpoints.wait()

    assert carried_over(path) == 1
    journal.close()


def test_no_thread_is_left(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    for number in range(checkpoints.EVERY):
        journal.put(record(number))

    journal.close()

    assert "checkpoint" not in {thread.name for thread in threading.enumerate()}


def test_no_file_is_open_more_after_a_checkpoint(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    journal.put(record(0))
    before = open_files(tmp_path)

    for number in range(checkpoints.EVERY):
        journal.put(record(number))
    journal._checkpoints.wait()

    assert open_files(tmp_path) == before
    journal.close()
    assert open_files(tmp_path) == []


def test_a_database_that_cannot_be_opened_fails_nobody(tmp_path: Path) -> None:
    found = Checkpoints(tmp_path / "missing" / "journal.db", every=1)

    found.wrote()
    found.wait()

    assert not (tmp_path / "missing").exists()
