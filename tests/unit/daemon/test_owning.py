"""A probe learns from the kernel which process owns the state folder."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from polypod.daemon.owner import OwnerLock
from polypod.daemon.owning import owns


def test_the_owner_is_known_by_its_lock(tmp_path: Path) -> None:
    lock = OwnerLock(tmp_path / "lock")
    before = owns(tmp_path, os.getpid())
    lock.take()

    assert not before
    assert owns(tmp_path, os.getpid())
    assert not owns(tmp_path, os.getppid())
    lock.close()
    assert not owns(tmp_path, os.getpid())


def test_who_is_next_does_not_own_it_yet(tmp_path: Path) -> None:
    first, second = OwnerLock(tmp_path / "lock"), OwnerLock(tmp_path / "lock")
    first.take()
    stop, asked = threading.Event(), threading.Event()
    waiting = threading.Thread(target=second.succeed, args=(60, stop, asked.set))
    waiting.start()
    asked.wait(5)
    first.release()
    first.close()

    waiting.join(5)

    assert owns(tmp_path, os.getpid())
    second.close()


def test_what_the_kernel_says_is_read_exactly(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    inode = (tmp_path / "lock").stat().st_ino
    locks = tmp_path / "locks"
    for line, expected in (
        (f"1: FLOCK  ADVISORY  WRITE 1 fe:00:{inode} 0 EOF", True),
        (f"1: -> FLOCK  ADVISORY  WRITE 1 fe:00:{inode} 0 EOF", False),
        (f"1: POSIX  ADVISORY  WRITE 1 fe:00:{inode} 0 EOF", False),
        (f"1: FLOCK  ADVISORY  WRITE 17 fe:00:{inode} 0 EOF", False),
        (f"1: FLOCK  ADVISORY  WRITE 1 fe:00:1{inode} 0 EOF", False),
        ("", False),
    ):
        locks.write_text(f"{line}\n")
        assert owns(tmp_path, locks=locks) is expected, line
    assert not owns(tmp_path / "none")


def test_an_owner_that_did_not_hear_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polypod.daemon.owner.ASK_AGAIN_S", 0.01)
    first, second = OwnerLock(tmp_path / "lock"), OwnerLock(tmp_path / "lock")
    first.take()
    asked: list[int] = []

    def ask() -> None:
        asked.append(len(asked))
        if len(asked) == 2:
            first.release()

    assert second.succeed(5, threading.Event(), ask)
    assert len(asked) >= 2
    first.close()
    second.close()
