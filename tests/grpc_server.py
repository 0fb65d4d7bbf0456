"""A small gRPC server on a unix socket, by h2: unary calls, and answers that do not end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeAlias
from urllib.parse import quote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, WindowUpdated
from h2.exceptions import H2Error


@dataclass(frozen=True, slots=True)
class Endless:
    """A stream's first message; more may come, and never do."""

    message: bytes


Answer: TypeAlias = bytes | Endless
Method: TypeAlias = Callable[[bytes], Answer]


class RefusedError(Exception):
    """An answer with another status than OK."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class GrpcServer:
    """Serves methods by their path, `/SERVICE/METHOD`; use it as a context."""

    def __init__(self, path: Path, methods: Mapping[str, Method]) -> None:
        self.calls: list[str] = []
        self._methods = methods
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        for connection in self._open:
            _hang_up(connection)
        for thread in self._threads:
            thread.join(5)
        self._listener.close()

    def _start(self, act: Callable[[], None]) -> None:
        thread = threading.Thread(target=act, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._start(lambda sock=connection: _Connection(sock, self).serve())  # type: ignore[misc]

    def answer(self, method: str, message: bytes) -> Answer:
        """Carry out one call."""
        self.calls.append(method)
        if method not in self._methods:
            raise RefusedError(12, f"unknown method {method}")
        return self._methods[method](message)


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


class _Connection:
    """One client."""

    def __init__(self, sock: socket.socket, server: GrpcServer) -> None:
        self._sock = sock
        self._server = server
        self._http = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self._methods: dict[int, str] = {}
        self._bodies: dict[int, bytearray] = {}
        self._left: dict[int, bytearray] = {}

    def serve(self) -> None:
        """Answer until the client hangs up."""
        with self._sock:
            try:
                self._http.initiate_connection()
                self._flush()
                while received := self._sock.recv(1 << 16):
                    for event in self._http.receive_data(received):
                        self._take(event)
                    self._flush()
            except (OSError, H2Error):
                return

    def _take(self, event: Event) -> None:
        match event:
            case RequestReceived(stream_id=stream, headers=headers):
                told = {str(name): str(value) for name, value in headers or ()}
                self._methods[stream or 0], self._bodies[stream or 0] = told[":path"], bytearray()
            case DataReceived(stream_id=stream, data=content, flow_controlled_length=size):
                self._bodies[stream or 0] += content or b""
                self._http.acknowledge_received_data(size or 0, stream or 0)
            case StreamEnded(stream_id=stream):
                self._respond(stream or 0)
            case WindowUpdated():
                for stream in list(self._left):
                    self._send_more(stream)
            case _:
                return

    def _respond(self, stream: int) -> None:
        ok = [(":status", "200"), ("content-type", "application/grpc")]
        message = bytes(self._bodies.pop(stream)[5:])
        try:
            answer = self._server.answer(self._methods.pop(stream), message)
        except RefusedError as error:
            told = [("grpc-status", str(error.status)), ("grpc-message", quote(str(error)))]
            self._http.send_headers(stream, [*ok, *told], end_stream=True)
            return
        self._http.send_headers(stream, ok)
        if isinstance(answer, bytes):
            self._left[stream] = bytearray(_framed(answer))
            self._send_more(stream)
            return
        self._http.send_data(stream, _framed(answer.message))

    def _send_more(self, stream: int) -> None:
        """Send as much as the client's window takes."""
        left = self._left[stream]
        while left:
            room = min(
                self._http.local_flow_control_window(stream), self._http.max_outbound_frame_size
            )
            if room <= 0:
                return
            self._http.send_data(stream, bytes(left[:room]))
            del left[:room]
        del self._left[stream]
        self._end(stream)

    def _end(self, stream: int) -> None:
        self._http.send_headers(stream, [("grpc-status", "0")], end_stream=True)

    def _flush(self) -> None:
        self._sock.sendall(self._http.data_to_send())


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message
