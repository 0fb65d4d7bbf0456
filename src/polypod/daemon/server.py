"""The unix socket: threads in accept(), the listen backlog as the queue, root only.

One owner of the socket and the journal at a time (a lock file); what a thread accepted goes to
serve.py. close() lets nobody new in and drain() waits for those inside.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from polypod.errors import ConflictError, StorageError

log = logging.getLogger("polypod.server")
BACKLOG = 1024


class OwnerLock:
    """The right to be the one daemon of a state folder."""

    def __init__(self, path: Path) -> None:
        """Take the lock.

        Raises:
            ConflictError: another daemon has it.
            StorageError: the folder cannot be written.
        """
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"state folder: {error.strerror}: {path.parent}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise ConflictError(
                f"another daemon owns {path.parent}", hint="stop it, or give --state another folder"
            ) from error

    def release(self) -> None:
        """Give the right up."""
        os.close(self._fd)


class Server:
    """Accepts connections and hands them to a function, from a fixed number of threads."""

    def __init__(self, path: Path, serve: Callable[[socket.socket], None], *, threads: int) -> None:
        """Bind the socket; start() begins to accept.

        Raises:
            StorageError: the socket cannot be made there.
        """
        self._serve = serve
        self._listener = _listen(path)
        self._path = path
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._accept, name=f"serve-{number}", daemon=True)
            for number in range(threads)
        ]

    def start(self) -> None:
        """Begin to accept."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stop accepting; queued clients see a reset and try again."""
        self._closing.set()
        self._path.unlink(missing_ok=True)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def join(self, timeout_s: float) -> None:
        """Wait for threads that are inside a call."""
        for thread in self._threads:
            thread.join(timeout_s)

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if not self._closing.is_set():
                    log.error("accept.failed cause=%r", error.strerror)  # noqa: TRY400
                    self._closing.wait(0.1)
                continue
            self._welcome(connection)

    def _welcome(self, connection: socket.socket) -> None:
        if not _is_allowed(connection):
            log.warning("peer.refused")
            connection.close()
            return
        try:
            self._serve(connection)
        except Exception:  # a thread of the pool outlives any defect
            log.exception("serve.broken")
            connection.close()


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        listener.bind(str(fresh))
        fresh.chmod(0o600)
        listener.listen(BACKLOG)
        fresh.rename(path)
    except OSError as error:
        listener.close()
        raise StorageError(
            f"socket {path}: {error.strerror or error}", hint="give --socket another path"
        ) from error
    return listener


def _is_allowed(connection: socket.socket) -> bool:
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return uid in {0, os.geteuid()}
