"""What the engine may expect of the place where tuning keeps a link's former attributes."""

from __future__ import annotations

from pathlib import Path

import pytest

from polypod.engine.doors import Backups
from polypod.errors import InvalidConfigError
from polypod.plan.ops import KeepBackup, RestoreBackup
from polypod.store.backups import BackupFiles
from polypod.testing.store import FakeBackups

NAME = "c1_net1.json"


@pytest.fixture
def backups(which: str, folder: Path) -> Backups:
    return FakeBackups() if which == "memory" else BackupFiles(roots=(folder,))


@pytest.fixture
def place(folder: Path) -> str:
    return str(folder / "tuning")


def test_a_backup_is_kept_and_taken_back(backups: Backups, place: str) -> None:
    keep = KeepBackup(directory=place, name=NAME, content='{"mtu": 1500}')

    for _ in range(2):
        backups.apply(keep)
    kept = backups.read(place, NAME)
    for _ in range(2):
        backups.undo(keep)

    assert kept == b'{"mtu": 1500}'
    assert backups.read(place, NAME) is None


def test_a_restored_backup_is_forgotten(backups: Backups, place: str) -> None:
    backups.apply(KeepBackup(directory=place, name=NAME, content="{}"))

    restore = RestoreBackup(directory=place, name=NAME, ifname="net1")
    backups.undo(restore)
    kept = backups.read(place, NAME)
    for _ in range(2):
        backups.apply(restore)

    assert kept == b"{}"
    assert backups.read(place, NAME) is None


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "a\0b"])
def test_a_name_that_is_no_file_name_is_refused(backups: Backups, place: str, name: str) -> None:
    with pytest.raises(InvalidConfigError, match="invalid backup name"):
        backups.apply(KeepBackup(directory=place, name=name, content="{}"))
