"""One unary gRPC call over a unix socket: HTTP/2 by h2, one connection a call."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import unquote

from h2.connection import H2Connection
from h2.events import DataReceived, Event, StreamEnded, StreamReset, TrailersReceived
from h2.events import ResponseReceived as Headers


class CallError(Exception):
    """The server's status was not OK."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


def call(path: Path, method: str, message: bytes, *, timeout_s: float) -> bytes:
    """Send one message to `/SERVICE/METHOD` and return the answer's.

    Raises:
        CallError: the server said so.
        TimeoutError: no answer in time.
    """
    deadline = time.monotonic() + timeout_s
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout_s)
        sock.connect(str(path))
        exchange = _Exchange(sock)
        exchange.ask(method, message)
        while not exchange.is_over:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"{method}: no answer within {timeout_s} s")
            sock.settimeout(left)
            exchange.listen()
    return exchange.answer()


class _Exchange:
    """The one stream of a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._http = H2Connection()
        self._body = bytearray()
        self._status: dict[str, str] = {}
        self.is_over = False

    def ask(self, method: str, message: bytes) -> None:
        self._http.initiate_connection()
        stream = self._http.get_next_available_stream_id()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", method),
            (":authority", "localhost"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ]
        self._http.send_headers(stream, headers)
        self._http.send_data(
            stream, b"\0" + len(message).to_bytes(4, "big") + message, end_stream=True
        )
        self._flush()

    def listen(self) -> None:
        received = self._sock.recv(1 << 16)
        if not received:
            raise CallError(14, "the server closed the connection")
        for event in self._http.receive_data(received):
            self._take(event)
        self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case DataReceived(data=content, flow_controlled_length=size, stream_id=stream):
                self._body += content or b""
                self._http.acknowledge_received_data(size or 0, stream or 0)
            case Headers(headers=headers) | TrailersReceived(headers=headers):
                self._status.update((_text(name), _text(value)) for name, value in headers or ())
            case StreamEnded() | StreamReset():
                self.is_over = True
            case _:
                return

    def _flush(self) -> None:
        self._sock.sendall(self._http.data_to_send())

    def answer(self) -> bytes:
        code = int(self._status.get("grpc-status", "2"))
        if code != 0:
            raise CallError(code, unquote(self._status.get("grpc-message", "")))
        return bytes(self._body[5:])


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
