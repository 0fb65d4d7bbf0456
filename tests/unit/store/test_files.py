"""Files that are whole or not there."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from polypod.errors import StorageError
from polypod.plan.ops import KeepBackup
from polypod.store import files
from polypod.store.backups import BackupFiles


def test_a_file_is_replaced_with_the_mode_that_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    files.write_atomically(path, b"new", mode=0o640)

    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    assert os.listdir(tmp_path) == ["file"]


def test_a_link_is_replaced_and_what_it_names_stays(tmp_path: Path) -> None:
    other, path = tmp_path / "other", tmp_path / "file"
    other.write_text("kept")
    path.symlink_to(other)

    files.write_atomically(path, b"new")

    assert (other.read_text(), path.is_symlink()) == ("kept", False)


def test_what_cannot_be_written_leaves_the_old_content_and_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "taken"
    path.mkdir()

    with pytest.raises(StorageError, match="taken"):
        files.write_atomically(path, b"new")

    assert os.listdir(tmp_path) == ["taken"]


def test_a_missing_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        files.write_atomically(tmp_path / "none" / "file", b"")


def test_writers_at_once_leave_one_of_their_contents(tmp_path: Path) -> None:
    contents = [bytes([65 + n]) * 5000 for n in range(8)]
    threads = [
        threading.Thread(target=files.write_atomically, args=(tmp_path / "file", content))
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (tmp_path / "file").read_bytes() in contents
    assert os.listdir(tmp_path) == ["file"]


def test_only_plain_files_are_read_and_only_so_much(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"12345")
    (tmp_path / "link").symlink_to("plain")
    os.mkfifo(tmp_path / "fifo")
    fd = os.open(tmp_path, os.O_RDONLY)

    found = [files.read(fd, name, 3) for name in ("plain", "link", "fifo", "none")]

    os.close(fd)
    assert found == [b"123", None, None, None]


def test_a_backup_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("kept")
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "c1_net1.json").symlink_to(tmp_path / "kept")
    backups = BackupFiles(roots=(tmp_path,))

    backups.apply(
        KeepBackup(directory=str(tmp_path / "backups"), name="c1_net1.json", content="{}")
    )

    assert (tmp_path / "kept").read_text() == "kept"
    assert (tmp_path / "backups" / "c1_net1.json").read_text() == "{}"
