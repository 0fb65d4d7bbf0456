"""The runtime's mount namespace, for a daemon that lives in a container and begins a plugin itself.

It is found by the process that listens at the runtime's socket, and entered by the shim program in
its second mode: a process with threads, as this one, may not change its mounts.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from polypod.errors import TryAgainError

SO_PEERPIDFD = 77
_CONNECT_S = 5.0
_CREDENTIALS = struct.Struct("3i")


@dataclass(frozen=True, slots=True)
class Entry:
    """What is put before a plugin's command line, and the descriptor it speaks of."""

    words: tuple[str, ...] = ()
    fds: tuple[int, ...] = ()


class OwnMounts:
    """The mounts of this process: what a daemon that runs on the host itself needs."""

    @contextmanager
    def entered(self) -> Generator[Entry]:
        """Put nothing before the command."""
        yield Entry()


class RuntimeMounts:
    """The mounts of the container runtime."""

    def __init__(self, runtime: Path, shim: Path) -> None:
        """Keep the runtime's socket and the program that enters."""
        self._runtime = runtime
        self._shim = shim

    @contextmanager
    def entered(self) -> Generator[Entry]:
        """Open the way there for one command.

        Raises:
            TryAgainError: nobody listens at the runtime's socket, or it cannot be seen from here.
        """
        fd = _listener(self._runtime)
        try:
            yield Entry((str(self._shim), "--in", str(fd)), (fd,))
        finally:
            os.close(fd)


def _listener(path: Path) -> int:
    """Return a pidfd of the process that listens at a socket."""
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(_CONNECT_S)
            sock.connect(str(path))
            return _peer(sock)
    except OSError as error:
        raise TryAgainError(
            f"the container runtime cannot be found at {path}: {error.strerror or error}",
            hint="--runtime-socket names the socket that the kubelet uses",
        ) from error


def _peer(sock: socket.socket) -> int:
    try:  # Linux 6.5; works where the other process has no number here
        return sock.getsockopt(socket.SOL_SOCKET, SO_PEERPIDFD)
    except OSError:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid: int = _CREDENTIALS.unpack(raw)[0]
        return os.pidfd_open(pid)
