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
from pathlib import Path

from polypod.daemon import frames
from polypod.daemon.frames import Deadline, Kind
from polypod.errors import PolypodError, StorageError

log = logging.getLogger("polypod.owner")
LOOK_EVERY_S = 0.02
ASK_SECONDS = 2.0


class OwnerLock:
    """The right to be the one daemon of a state folder."""

    def __init__(self, path: Path) -> None:
        """Keep the place.

        Raises:
            StorageError: the folder cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"state folder: {error.strerror}: {path.parent}") from error

    def take(self) -> bool:
        """Take the lock if nobody has it; the kernel frees it when its owner dies."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def wait(self, seconds: float | None, stop: threading.Event) -> bool:
        """Take the lock when it becomes free; False when that did not come about in time."""
        end = None if seconds is None else time.monotonic() + seconds
        while not self.take():
            if stop.wait(LOOK_EVERY_S) or (end is not None and time.monotonic() > end):
                return False
        return True

    def release(self) -> None:
        """Let somebody else take it."""
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the lock and the file up."""
        os.close(self._fd)


def ask(path: Path) -> bool:
    """Ask the daemon that listens there to let go; tell whether it said that it will."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(ASK_SECONDS)
        fds: list[int] = []
        try:
            connection.connect(str(path))
            frames.send(connection, Kind.TAKE_OVER, b"")
            kind, _ = frames.receive(connection, Deadline(ASK_SECONDS), fds)
        except (OSError, PolypodError) as error:
            log.warning("owner.unasked cause=%r", str(error))
            return False
        finally:
            frames.close(fds)
    return kind == Kind.TAKE_OVER
