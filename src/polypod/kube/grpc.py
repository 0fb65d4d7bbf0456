"""One unary gRPC call over a unix socket: HTTP/2 by h2, one connection a call.

Imported by its callers when they need it: h2 costs 4 MiB, and most nodes never ask. Every answer is
bounded in size and time; what the messages mean is the callers' business.
"""

from __future__ import annotations

import socket
import time
from pathlib import Path
from urllib.parse import unquote

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.events import ResponseReceived as Headers
from h2.exceptions import H2Error

from polypod.errors import DecodeError, RpcError, TryAgainError

MAX_ANSWER = 16 << 20
UNKNOWN, UNAVAILABLE = 2, 14
"""Two of gRPC's status codes: what a server says that does not say why, and what is away."""
_PREFIX = 5
"""A byte that says whether the message is compressed, and its length in four."""


def call(
    path: Path, method: str, message: bytes, *, timeout_s: float, limit: int = MAX_ANSWER
) -> bytes:
    """Send one message to `/SERVICE/METHOD` and return the answer's.

    Raises:
        RpcError: the server refused; `status` says how.
        TryAgainError: nobody listens at the socket, or answers in time.
        DecodeError: the answer is too long, or is no gRPC.
    """
    deadline = time.monotonic() + timeout_s
    try:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(timeout_s)
            sock.connect(str(path))
            exchange = _Exchange(sock, limit)
            exchange.ask(method, message)
            while not exchange.is_over:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"no answer within {timeout_s:g} s")
                sock.settimeout(left)
                exchange.listen()
        return exchange.answer()
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL
        raise TryAgainError(
            f"{path}: {method}: {getattr(error, 'strerror', None) or error}",
            hint="see that the program that listens at this socket runs, and that its folder is"
            " mounted",
        ) from error
    except H2Error as error:
        raise DecodeError(f"{path}: {method}: {str(error) or type(error).__name__}") from error


class _Exchange:
    """The one stream of a connection."""

    def __init__(self, sock: socket.socket, limit: int) -> None:
        self._sock = sock
        self._limit = limit
        self._http = H2Connection(H2Configuration(header_encoding=None))
        self._body = bytearray()
        self._status: dict[bytes, bytes] = {}
        self.is_over = False

    def ask(self, method: str, message: bytes) -> None:
        """Send the one request."""
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
        prefix = b"\0" + len(message).to_bytes(4, "big")
        self._http.send_data(stream, prefix + message, end_stream=True)
        self._flush()

    def listen(self) -> None:
        """Take what arrived."""
        received = self._sock.recv(1 << 16)
        if not received:
            raise RpcError("the server closed the connection", status=UNAVAILABLE)
        for event in self._http.receive_data(received):
            self._take(event)
        if not self.is_over:
            self._flush()

    def _take(self, event: Event) -> None:
        match event:
            case DataReceived(data=content, flow_controlled_length=size, stream_id=stream):
                self._body += content or b""
                if len(self._body) > self._limit + _PREFIX:
                    raise DecodeError(f"gRPC: an answer longer than {self._limit} bytes")
                self._http.acknowledge_received_data(size or 0, stream or 0)
            case Headers(headers=headers) | TrailersReceived(headers=headers):
                self._status.update((name, value) for name, value in headers or ())
            case StreamEnded() | StreamReset() | ConnectionTerminated():
                self.is_over = True
            case _:
                return

    def _flush(self) -> None:
        self._sock.sendall(self._http.data_to_send())

    def answer(self) -> bytes:
        """Return the message that came."""
        told = self._status.get(b"grpc-status", b"")
        status = int(told) if told.isdigit() and len(told) < 4 else UNKNOWN
        if status != 0:
            words = unquote(self._status.get(b"grpc-message", b"").decode("utf-8", "replace"))
            raise RpcError(words or "no reason given", status=status)
        size = int.from_bytes(self._body[1:_PREFIX], "big")
        if len(self._body) != _PREFIX + size or self._body[0]:
            raise DecodeError("gRPC: an answer that is not one uncompressed message")
        return bytes(self._body[_PREFIX:])
