"""A server that says whatever a test wants, byte by byte, as no API server would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Self

from polypod.kube.access import Access

Script = Callable[[str], Iterable[bytes]]
"""Takes the target of a request (`/api/v1/pods?limit=500`), returns what is sent."""


def body(content: bytes) -> list[bytes]:
    """Return a common answer."""
    return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), content]


def chunked(parts: Iterable[bytes]) -> Iterable[bytes]:
    """Yield an answer whose length nobody told before."""
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for part in parts:
        yield b"%x\r\n%s\r\n" % (len(part), part)
    yield b"0\r\n\r\n"


class RawServer:
    """Answers each request of each connection by the script; use it as a context."""

    def __init__(self, script: Script) -> None:
        """Listen on a port of the loopback."""
        self.script = script
        self.targets: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._ended = threading.Event()

    def __enter__(self) -> Self:
        """Begin to serve."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Hang up on everybody."""
        self._ended.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            connection.close()

    @property
    def access(self) -> Access:
        """Return the way in."""
        return Access(host="127.0.0.1", port=self._listener.getsockname()[1], tls=False)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as file:
                while line := file.readline():
                    while file.readline().strip():
                        pass
                    target = line.split()[1].decode("ascii")
                    self.targets.append(target)
                    for part in self.script(target):
                        if self._ended.is_set():
                            return
                        connection.sendall(part)
        except (OSError, ValueError, IndexError):
            return
