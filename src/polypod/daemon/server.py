"""The unix socket: threads in accept(), the listen backlog as the queue, root only.

What a thread accepted goes to serve.py; it comes back when the call is done, or waits elsewhere.
"""

from __future__ import annotations

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
PAUSE_S = 0.1


class Server:
    """Accepts connections and hands them to a function, from a fixed number of threads."""

    def __init__(self, path: Path, serve: Callable[[socket.socket], None], *, threads: int) -> None:
        """Bind the socket; start() begins to accept.

        Raises:
            ConflictError: somebody listens there, or has another file there.
            StorageError: the socket cannot be made there.
        """
        self._serve = serve
        self._listener = _listen(path)
        self._path = path
        self._inode = path.stat().st_ino
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
        try:
            if self._path.stat().st_ino == self._inode:  # a successor's is left alone
                self._path.unlink()
        except OSError as error:
            log.warning("socket.unremoved cause=%r", error.strerror)
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
                    self._closing.wait(PAUSE_S)
                continue
            self._welcome(connection)

    def _welcome(self, connection: socket.socket) -> None:
        uid = peer_uid(connection)
        if not is_allowed(uid):
            log.warning("peer.refused uid=%d", uid)
            connection.close()
            return
        try:
            self._serve(connection)
        except Exception:  # a thread of the pool outlives any defect
            log.exception("serve.broken")
            connection.close()


def _listen(path: Path) -> socket.socket:
    _check_is_free(path)
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


def _check_is_free(path: Path) -> None:
    """Refuse a path where somebody listens, or where another kind of file is.

    A socket without a listener was left by a daemon that was killed, and is replaced.
    """
    if not path.is_socket():
        if os.path.lexists(path):
            raise ConflictError(f"{path} is no socket", hint="give --socket another path")
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except BlockingIOError:
            pass  # its queue is full
        except OSError:
            return
    raise ConflictError(
        f"another daemon listens at {path}",
        hint="stop it, or give --socket another path; --state tells which daemon is meant",
    )


def peer_uid(connection: socket.socket) -> int:
    """Return who is at the other end, as the kernel noted it when it connected."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", raw)
    return int(uid)


def is_allowed(uid: int) -> bool:
    """Tell whether that user may ask: root, or whoever this daemon runs as (in a lab)."""
    return uid in {0, os.geteuid()}
