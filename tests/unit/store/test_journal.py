"""The journal's file in every bad state: it opens, says so, and keeps whatever can be read."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from polypod.errors import StorageError
from polypod.plan.record import RECORD_VERSION, Record
from polypod.store.journal import SqliteJournal

MANY = 200
FEW = 100
"""As many as are written before the log begins anew and its file's end is an old one."""


def record(number: int) -> Record:
    return Record(
        container_id=f"c{number:03}", network="net", ifname="net1", config=b"x" * 300, result=b"{}"
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "journal.db"


@pytest.fixture
def filled(path: Path) -> Path:
    """A journal with many rows, closed."""
    journal = SqliteJournal(path)
    for number in range(MANY):
        journal.put(record(number))
    journal.close()
    return path


def open_and_use(path: Path) -> tuple[Record, ...]:
    """Open, read, write and read again."""
    journal = SqliteJournal(path)
    found = journal.all()
    journal.put(record(999))
    assert journal.of_container("c999") == (record(999),)
    journal.close()
    return found


def aside(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.glob("*damaged*"))


@pytest.mark.parametrize(
    "content", [b"no database", b"\0" * 8192, b"SQLite format 3\0" + b"\xff" * 9000]
)
def test_a_file_that_is_no_database_is_moved_aside_whole(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)

    assert open_and_use(path) == ()

    assert aside(path) == ["journal.db.damaged-1"]
    assert (path.parent / "journal.db.damaged-1").read_bytes() == content
    assert "journal.damaged" in caplog.text


def test_an_empty_file_is_an_empty_journal(path: Path) -> None:
    path.parent.mkdir()
    path.touch()

    assert open_and_use(path) == ()
    assert aside(path) == []


def test_a_file_that_lost_its_end_is_replaced_and_readable_rows_are_carried_over(
    filled: Path,
) -> None:
    content = filled.read_bytes()
    filled.write_bytes(content[: len(content) // 2])

    found = open_and_use(filled)

    assert aside(filled) == ["journal.db.damaged-1"]
    assert set(found) <= {record(number) for number in range(MANY)}


def test_a_page_that_was_overwritten_costs_the_rows_behind_it_only(filled: Path) -> None:
    with filled.open("r+b") as file:
        file.seek(filled.stat().st_size - 4096)
        file.write(b"\xa5" * 4096)

    found = open_and_use(filled)

    assert aside(filled) == ["journal.db.damaged-1"]
    assert MANY / 2 < len(found) < MANY
    assert set(found) <= {record(number) for number in range(MANY)}


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_folder_in_a_files_place_is_moved_aside(filled: Path, suffix: str) -> None:
    place = filled.with_name(filled.name + suffix)
    place.unlink(missing_ok=True)
    (place / "something").mkdir(parents=True)

    found = open_and_use(filled)

    assert (filled.parent / f"journal.db.damaged-1{suffix}" / "something").is_dir()
    assert len(found) == (0 if suffix == "" else MANY)


@pytest.mark.parametrize("suffix", ["-wal", "-shm"])
def test_garbage_beside_the_file_costs_no_row_that_is_in_it(filled: Path, suffix: str) -> None:
    filled.with_name(filled.name + suffix).write_bytes(b"\xa5" * 40000)

    assert len(open_and_use(filled)) == MANY


def test_a_log_that_lost_its_end_gives_the_rows_before_it(path: Path, tmp_path: Path) -> None:
    journal = SqliteJournal(path)
    for number in range(FEW):
        journal.put(record(number))
    crashed = tmp_path / "crashed" / path.name
    crashed.parent.mkdir()
    crashed.write_bytes(path.read_bytes())
    log = path.with_name("journal.db-wal").read_bytes()
    crashed.with_name("journal.db-wal").write_bytes(log[: len(log) - 1000])
    journal.close()

    found = open_and_use(crashed)

    assert FEW - 5 <= len(found) < FEW
    assert aside(crashed) == []


def test_a_pods_records_go_out_as_one_page(path: Path) -> None:
    journal = SqliteJournal(path)
    pod = [
        Record(container_id="c" * 64, network=f"net{at}", ifname=f"net{at}", config=b"x" * 1500)
        for at in range(4)
    ]
    log = path.with_name("journal.db-wal")
    journal.put(*pod)
    before = log.stat().st_size

    journal.put(*pod)

    (page_bytes,) = journal._database.execute("PRAGMA page_size").fetchone()
    assert log.stat().st_size - before == 24 + page_bytes
    journal.close()


def test_damage_that_is_met_while_it_serves_is_replaced_too(filled: Path) -> None:
    journal = SqliteJournal(filled)
    with filled.open("r+b") as file:
        file.write(b"\xa5" * filled.stat().st_size)

    journal._database.execute("PRAGMA shrink_memory")  # nothing is read from its cache
    journal.put(record(999))

    assert record(999) in journal.all()
    assert aside(filled) == ["journal.db.damaged-1"]
    journal.close()


def test_each_damaged_file_is_kept(path: Path) -> None:
    path.parent.mkdir()
    for _ in range(3):
        path.write_bytes(b"no database")
        open_and_use(path)

    assert aside(path) == [f"journal.db.damaged-{n}" for n in (1, 2, 3)]


def test_a_newer_schema_is_used_and_left_as_it_is(
    filled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with sqlite3.connect(filled) as database:
        database.execute("ALTER TABLE attachment ADD COLUMN colour TEXT DEFAULT 'red'")
        database.execute("PRAGMA user_version=7")
    database.close()

    assert len(open_and_use(filled)) == MANY

    assert "journal.newer schema=7 ours=1" in caplog.text
    with sqlite3.connect(filled) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (7,)
        assert database.execute("SELECT count(*) FROM attachment WHERE colour = 'red'").fetchone()
    database.close()


def test_a_table_that_lacks_what_we_need_is_moved_aside(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE attachment (name TEXT)")
    database.close()

    assert open_and_use(path) == ()
    assert aside(path) == ["journal.db.damaged-1"]


def change_row(path: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(path) as database:
        database.execute(statement, values)
    database.close()


@pytest.mark.parametrize(
    ("statement", "value"),
    [
        ("UPDATE attachment SET version = ? WHERE container_id = 'c001'", RECORD_VERSION + 1),
        ("UPDATE attachment SET record = ? WHERE container_id = 'c001'", b'{"of": "tomorrow"}'),
    ],
    ids=["newer", "unreadable"],
)
def test_a_row_that_only_a_newer_release_reads_is_named_once_and_kept(
    filled: Path, statement: str, value: object, caplog: pytest.LogCaptureFixture
) -> None:
    change_row(filled, statement, value)
    journal = SqliteJournal(filled)

    with caplog.at_level(logging.ERROR):
        counts = {len(journal.all()) for _ in range(3)}
    for found in journal.all():
        journal.remove(found)
    journal.close()

    assert counts == {MANY - 1}
    assert caplog.text.count("journal.unreadable kept=c001/net/net1") == 1
    with sqlite3.connect(filled) as database:
        assert database.execute("SELECT container_id FROM attachment").fetchall() == [("c001",)]
    database.close()


def test_another_process_reads_and_changes_nothing(filled: Path) -> None:
    serving = SqliteJournal(filled)
    serving.put(record(999))

    reading = SqliteJournal(filled, read_only=True)

    assert len(reading.all()) == MANY + 1
    with pytest.raises(StorageError, match="readonly"):
        reading.put(record(1000))
    reading.close()
    serving.close()


def test_a_damaged_file_is_an_error_for_whoever_only_reads(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all")

    with pytest.raises(StorageError, match="not a database"):
        SqliteJournal(path, read_only=True).all()

    assert aside(path) == []


def refuse(journal: SqliteJournal, statement: str) -> Callable[[], None]:
    """Have the database refuse a kind of statement, as a full disk would; return the way back."""
    kind = {"DELETE": sqlite3.SQLITE_DELETE, "INSERT": sqlite3.SQLITE_INSERT}[statement]

    def judge(action: int, *_: str | None) -> int:
        return sqlite3.SQLITE_DENY if action == kind else sqlite3.SQLITE_OK

    journal._database.set_authorizer(judge)
    return lambda: journal._database.set_authorizer(None)


def test_a_removal_that_the_disk_refuses_counts_at_once_and_is_written_later(filled: Path) -> None:
    journal = SqliteJournal(filled)
    allow = refuse(journal, "DELETE")

    journal.remove(record(1))
    seen, all_seen = journal.of_container("c001"), len(journal.all())
    allow()
    journal.put(record(999))
    journal.close()

    assert (seen, all_seen) == ((), MANY - 1)
    assert record(1) not in SqliteJournal(filled, read_only=True).all()


def test_a_record_that_is_put_after_such_a_removal_stays(filled: Path) -> None:
    journal = SqliteJournal(filled)
    allow = refuse(journal, "DELETE")

    journal.remove(record(1))
    journal.put(msgspec.structs.replace(record(1), result=b"again"))
    allow()
    journal.put(record(999))
    again = journal.of_container("c001")
    journal.close()

    assert [found.result for found in again] == [b"again"]


def test_a_put_that_the_disk_refuses_is_an_error(path: Path) -> None:
    journal = SqliteJournal(path)
    refuse(journal, "INSERT")

    with pytest.raises(StorageError, match="journal: "):
        journal.put(record(1))

    assert journal.all() == ()
    journal.close()
