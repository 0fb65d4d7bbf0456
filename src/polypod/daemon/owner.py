"""Who is the one daemon of a state folder: a lock file, and how it passes from one to the next.

A daemon that stands by asks the owner over its socket to let go, and waits for the lock. One that
was asked waits in its turn, so that it serves again when its successor dies, and asks nobody.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from polypod.daemon import frames
from polypod.daemon.frames import Deadline, Kind
from polypod.errors import PolypodError, StorageError

log = logging.getLogger("polypod.owner")
LOOK_EVERY_S = 0.02
ASK_SECONDS = 2.0
ASK_AGAIN_S = 2.0


class OwnerLock:
    """The right to be the one daemon of a state folder: a lock, and a place in front of it.

    Whoever takes the lock holds the place at that moment. A successor keeps the place while it
    waits, so that the daemon it asked to let go does not take the lock again at once.
    """

    def __init__(self, path: Path) -> None:
        """Keep the files open, and lock nothing yet.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = _open(path)
            self._place = _open(path.with_name(f"{path.name}.next"))
        except OSError as error:
            raise StorageError(f"state folder: {error.strerror}: {path.parent}") from error

    def take(self) -> bool:
        """Take the lock if nobody has it, or is next; the kernel frees it when its owner dies."""
        if not _lock(self._place):
            return False
        try:
            return _lock(self._fd)
        finally:
            _unlock(self._place)

    def succeed(
        self, seconds: float, stop: threading.Event, ask_for_it: Callable[[], None]
    ) -> bool:
        """Be next, ask, and wait for the lock; False when it did not become free in time."""
        end = time.monotonic() + seconds
        if not _until(lambda: _lock(self._place), end, stop):
            return False
        try:
            while not stop.is_set() and time.monotonic() < end:
                ask_for_it()  # again: an owner that has not opened its socket yet hears nothing
                until = min(end, time.monotonic() + ASK_AGAIN_S)
                if _until(lambda: _lock(self._fd), until, stop):
                    return True
            return False
        finally:
            _unlock(self._place)

    def wait(self, stop: threading.Event) -> bool:
        """Take the lock when nobody has it and nobody is next; False when stopped before."""
        return _until(self.take, None, stop)

    def release(self) -> None:
        """Let somebody else take it."""
        _unlock(self._fd)

    def close(self) -> None:
        """Give the lock and the files up."""
        os.close(self._fd)
        os.close(self._place)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _unlock(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_UN)


def _until(came_about: Callable[[], bool], end: float | None, stop: threading.Event) -> bool:
    while not came_about():
        if stop.wait(LOOK_EVERY_S) or (end is not None and time.monotonic() > end):
            return False
    return True


def ask(path: Path) -> None:
    """Ask the daemon that listens there to let go; it says that it will, or the log why not."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(ASK_SECONDS)
        fds: list[int] = []
        try:
            connection.connect(str(path))
            frames.send(connection, Kind.TAKE_OVER, b"")
            frames.receive(connection, Deadline(ASK_SECONDS), fds)
        except (OSError, PolypodError) as error:
            log.warning("owner.unasked cause=%r", str(error))
        finally:
            frames.close(fds)
