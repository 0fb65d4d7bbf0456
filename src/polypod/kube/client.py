"""Speaks HTTP to the API server: one request, or one stream of lines; errors as the API means them.

Built on http.client with a few connections kept open: every library that was measured failed a
watch test or cost several times the memory (docs/adr). What is asked for is decided by the callers.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Generator, Iterator
from urllib.parse import urlencode

import msgspec

from polypod.errors import ApiError, InvalidConfigError, TryAgainError
from polypod.kube.access import Access, Trust

REQUEST_S = 10.0
SILENCE_MS = 30_000
"""TCP_USER_TIMEOUT: how long unacknowledged bytes may be out before the peer counts as gone."""
MAX_ANSWER = 8 << 20
MAX_LINE = 4 << 20
"""An object of the API is at most 1.5 MiB in etcd."""
CHUNK = 1 << 16
KEPT = 4
ONE_LINE = "the token for the API server is not one line of ASCII: look at the token's file"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"
MERGE = "application/merge-patch+json"


class Status(msgspec.Struct):
    """The API's word for a failure."""

    message: str | None = ""
    reason: str | None = ""
    code: int | None = 0


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """One call: path and parameters, and what the answer should look like."""

    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    accept: str = "application/json"

    @property
    def target(self) -> str:
        """Return path and query string."""
        return f"{self.path}?{urlencode(self.parameters)}" if self.parameters else self.path


class TooLongError(TryAgainError):
    """An answer is longer than anybody should keep in memory."""

    hint = "look for very large objects of that kind, or for what answers between node and server"


class Client:
    """One API server, a handful of kept connections, safe for threads."""

    def __init__(self, access: Access, *, agent: str = "polypod") -> None:
        """Keep the access; connections are made when they are needed."""
        self._access = access
        self._trust = Trust(access)
        self._agent = agent
        self._lock = threading.Lock()
        self._idle: list[tuple[object, http.client.HTTPConnection]] = []
        self._is_closed = False
        self.on_answer: Callable[[], None] = lambda: None
        """Is told of every request that went well, watches apart."""

    def get(self, query: Query, *, timeout_s: float = REQUEST_S) -> bytes:
        """Return the body of a GET.

        Raises:
            ApiError: the server refused; `status` says how.
            TryAgainError: the server cannot be reached, or does not answer in time.
        """
        return self._ask("GET", query, None, "", timeout_s)

    def send(
        self,
        method: str,
        query: Query,
        body: bytes,
        *,
        content_type: str = "application/json",
        timeout_s: float = REQUEST_S,
    ) -> bytes:
        """Return the body of the answer to a POST or PATCH.

        Raises:
            ApiError: the server refused; `status` says how.
            TryAgainError: the server cannot be reached, or does not answer in time.
        """
        return self._ask(method, query, body, content_type, timeout_s)

    @contextlib.contextmanager
    def lines(self, query: Query, *, silence_s: float) -> Generator[Iterator[bytes]]:
        """Open a stream of lines (a watch) on a connection of its own.

        Raises:
            ApiError: the server refused.
            TryAgainError: it cannot be reached, or was silent for longer than silence_s.
        """
        connection = self._connect(REQUEST_S)
        response: http.client.HTTPResponse | None = None
        try:
            with _translated():
                self._write(connection, "GET", query, None, "")
                response = connection.getresponse()
                if response.status != http.client.OK:
                    self._note_refusal(response.status)
                    raise _refusal(response.status, response.read(1 << 16))
                if connection.sock is not None:  # from here on the server may be silent
                    connection.sock.settimeout(silence_s)
            yield _lines(response)
        finally:
            if response is not None:
                response.close()
            connection.close()

    def close(self) -> None:
        """Close the kept connections; those in use close when they are done."""
        with self._lock:
            self._is_closed = True
            for _, connection in self._idle:
                connection.close()
            self._idle.clear()

    def _ask(
        self, method: str, query: Query, body: bytes | None, content_type: str, timeout_s: float
    ) -> bytes:
        status, answer = self._exchange(method, query, body, content_type, timeout_s)
        if status == http.client.UNAUTHORIZED:  # the token may have been rotated just now
            self._note_refusal(status)
            status, answer = self._exchange(method, query, body, content_type, timeout_s)
        if status >= http.client.BAD_REQUEST:
            raise _refusal(status, answer)
        self.on_answer()
        return answer

    def _exchange(
        self, method: str, query: Query, body: bytes | None, content_type: str, timeout_s: float
    ) -> tuple[int, bytes]:
        until = time.monotonic() + timeout_s
        kept = self._take(timeout_s)
        if kept is not None:
            try:
                return self._once(kept, method, query, body, content_type, until)
            except _ClosedError:
                pass  # closed by the server while it lay idle: ask again on a fresh one
        return self._once(self._connect(timeout_s), method, query, body, content_type, until)

    def _once(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        query: Query,
        body: bytes | None,
        content_type: str,
        until: float,
    ) -> tuple[int, bytes]:
        try:
            with _translated():
                self._write(connection, method, query, body, content_type)
                response = connection.getresponse()
                with contextlib.closing(response):  # read to its end, the connection stays
                    answer = _whole(response, connection.sock, until)
        except BaseException:
            connection.close()
            raise
        if response.will_close:
            connection.close()
        else:
            self._keep(connection)
        return response.status, answer

    def _write(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        query: Query,
        body: bytes | None,
        content_type: str,
    ) -> None:
        headers = {"Accept": query.accept, "User-Agent": self._agent}
        token = self._access.token()
        if token:
            if not (token.isascii() and token.isprintable()):
                raise InvalidConfigError(ONE_LINE)  # http.client's own error would show it
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            headers["Content-Type"] = content_type
        connection.request(method, query.target, body=body, headers=headers)

    def _note_refusal(self, status: int) -> None:
        if status == http.client.UNAUTHORIZED:
            self._access.refuse_token()

    def _settings(self) -> object:
        return self._trust.context() if self._access.tls else None

    def _take(self, timeout_s: float) -> http.client.HTTPConnection | None:
        """Return a kept connection that was made with the newest certificates."""
        settings = self._settings()
        with self._lock:
            while self._idle:
                made_with, connection = self._idle.pop()
                if made_with is settings and connection.sock is not None:
                    connection.sock.settimeout(timeout_s)
                    return connection
                connection.close()
        return None

    def _keep(self, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            if len(self._idle) < KEPT and not self._is_closed:
                self._idle.append((self._settings(), connection))
                return
        connection.close()

    def _connect(self, timeout_s: float) -> http.client.HTTPConnection:
        access = self._access
        host, port = access.proxy or (access.host, access.port)
        with _translated():
            raw = socket.create_connection((host, port), timeout=timeout_s)
            try:
                watch_over(raw)
                if access.proxy:
                    _tunnel(raw, access.host, access.port)
                if access.tls:
                    name = access.server_name or access.host
                    raw = self._trust.context().wrap_socket(raw, server_hostname=name)
            except BaseException:
                raw.close()
                raise
        connection = http.client.HTTPConnection(access.host, access.port, timeout=timeout_s)
        connection.sock = raw
        return connection


def watch_over(sock: socket.socket) -> None:
    """Let the kernel find out that the peer is gone, half-open connections included."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)


def _tunnel(raw: socket.socket, host: str, port: int) -> None:
    """Ask an HTTP proxy for a way through (RFC 9110, CONNECT)."""
    place = f"{host}:{port}"
    raw.sendall(f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode("ascii"))
    heard = b""
    while not heard.endswith(b"\r\n\r\n"):
        byte = raw.recv(1)
        if not byte or len(heard) > 1 << 14:
            raise TryAgainError("the proxy hung up")
        heard += byte
    words = heard.split(b" ", 2)
    if len(words) < 2 or words[1] != b"200":
        raise TryAgainError(
            f"the proxy refused: {heard.splitlines()[0][:100].decode('ascii', '?')}"
        )


class _ClosedError(TryAgainError):
    """The peer closed the connection before it answered."""


CLOSED = (
    *(http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError),
    *(ssl.SSLEOFError, ssl.SSLZeroReturnError),
)
"""How a connection ends that a server closed, or that died with it: TLS has words of its own."""


@contextlib.contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        raise _meaning(error) from error


def _meaning(error: OSError | http.client.HTTPException) -> TryAgainError:
    if isinstance(error, CLOSED):
        return _ClosedError("API server: the connection was closed")
    return TryAgainError(
        f"API server: {str(error) or type(error).__name__}",
        hint="see that the API server can be reached from this node",
    )


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        said = msgspec.json.decode(body, type=Status)
    except msgspec.DecodeError:
        said = Status()
    words = " ".join((said.message or http.client.responses.get(status, "")).split())
    return ApiError(f"API server: {status} {words[:300]}", status=status)


def _whole(response: http.client.HTTPResponse, sock: socket.socket | None, until: float) -> bytes:
    """Read an answer to its end: not for ever, and not more than memory is for."""
    whole = io.BytesIO()  # its value is not copied, as parts that are joined would be
    while part := response.read1(CHUNK):
        whole.write(part)
        if whole.tell() > MAX_ANSWER:
            raise TooLongError(f"API server: an answer is longer than {MAX_ANSWER >> 20} MiB")
        left_s = until - time.monotonic()
        if left_s <= 0:
            raise TryAgainError("API server: an answer takes too long to arrive")
        if sock is not None and sock.fileno() >= 0:
            sock.settimeout(left_s)
    if response.length:
        raise TryAgainError("API server: an answer was cut off")
    return whole.getvalue()


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield lines as they come: their parts are put together here, http.client's way is long."""
    parts: list[bytes] = []  # of a line whose end is still to come
    length = 0
    while True:
        try:
            part = response.read1(CHUNK)
        except (OSError, http.client.HTTPException) as error:
            raise _meaning(error) from error
        if not part:
            break
        *whole, rest = part.split(b"\n")
        for line in whole:
            yield b"".join((*parts, line)) if parts else line
            parts, length = [], 0
        if rest:
            parts.append(rest)
            length += len(rest)
            if length >= MAX_LINE:
                raise TooLongError(f"API server: an event is longer than {MAX_LINE >> 20} MiB")
    if parts:
        raise TryAgainError("API server: an event was cut off")


class Backoff(msgspec.Struct):
    """Growing, jittered waits after failures; reset when something worked."""

    first_s: float = 0.2
    most_s: float = 30.0
    _next_s: float = 0.0

    def failed(self) -> float:
        """Return how long to wait before the next try, in seconds."""
        self._next_s = min(self.most_s, max(self.first_s, self._next_s * 2))
        return self._next_s * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def worked(self) -> None:
        """Begin anew."""
        self._next_s = 0.0
