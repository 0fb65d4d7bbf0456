"""The HTTP face of the API server in memory: requests to calls, answers and events to bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol, TypeAlias, cast
from urllib.parse import parse_qs, urlsplit

Table: TypeAlias = dict[str, Any]
PODS = "/api/v1/pods"
EVENTS = "/api/v1/events"
DEFINITIONS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
CLAIMS = "/apis/resource.k8s.io/v1/resourceclaims"
SLICES = "/apis/resource.k8s.io/v1/resourceslices"
MAX_BODY = 8 << 20


class RefusedError(Exception):
    """An answer that is not 200."""

    def __init__(self, code: int, reason: str, message: str) -> None:
        """Keep what the Status object will say."""
        super().__init__(message)
        self.code = code
        self.reason = reason


def status(code: int, reason: str, message: str) -> Table:
    """Return the API's word for a failure."""
    return {
        "kind": "Status",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


class Api(Protocol):
    """What the requests are carried out on."""

    token: str
    requests: list[str]
    fail_next: list[int]
    epoch: int
    """How often all watches were ended."""

    def get(self, collection: str, namespace: str, name: str) -> Table | None:
        """Return an object."""
        ...

    def list(self, collection: str, query: dict[str, str]) -> Table:
        """Answer a list."""
        ...

    def check_version(self, query: dict[str, str]) -> None:
        """Refuse a watch from a version that is forgotten."""
        ...

    def watch(self, collection: str, query: dict[str, str], epoch: int) -> Iterator[Table]:
        """Yield events, until the epoch in which the watch was asked for is over."""
        ...

    def patch_status(self, namespace: str, name: str, change: Table) -> Table:
        """Patch a pod."""
        ...

    def create_event(self, wanted: Table) -> Table:
        """Create an event."""
        ...

    def patch_event(self, namespace: str, name: str, change: Table) -> Table:
        """Patch an event."""
        ...


class HttpServer(ThreadingHTTPServer):
    """Listens on a port of the loopback."""

    daemon_threads = True

    def __init__(self, api: Api) -> None:
        """Bind; serve_forever() serves."""
        super().__init__(("127.0.0.1", 0), Handler)
        self.api = api


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    timeout = 60
    _epoch = 0
    single: ClassVar[dict[str, str]] = {
        "pods": PODS,
        "events": EVENTS,
        "network-attachment-definitions": DEFINITIONS,
        "resourceclaims": CLAIMS,
    }

    @property
    def _api(self) -> Api:
        return cast("HttpServer", self.server).api

    def do_GET(self) -> None:
        """Answer a get, a list or a watch."""
        self._answer(self._read)

    def do_POST(self) -> None:
        """Create an event."""
        wanted = self._body()  # whatever becomes of it: the connection is kept
        self._answer(lambda: self._api.create_event(wanted))

    def do_PATCH(self) -> None:
        """Patch a pod's status, or an event."""
        change = self._body()
        self._answer(lambda: self._patch(change))

    def _read(self) -> Table | None:
        parts, query = self._target()
        if len(parts) >= 4 and parts[-2] in self.single and parts[-4] == "namespaces":
            found = self._api.get(self.single[parts[-2]], parts[-3], parts[-1])
            if found is None:
                raise RefusedError(404, "NotFound", f'{parts[-2]} "{parts[-1]}" not found')
            return found
        collection = self.path.partition("?")[0]
        if collection not in (PODS, DEFINITIONS, EVENTS, SLICES):
            raise RefusedError(404, "NotFound", "the server could not find the resource")
        if "watch" not in query:
            return self._api.list(collection, query)
        self._api.check_version(query)
        self._stream(self._api.watch(collection, query, self._epoch))
        return None

    def _patch(self, change: Table) -> Table:
        parts, _ = self._target()
        if parts[-1] == "status":
            return self._api.patch_status(parts[-4], parts[-2], change)
        return self._api.patch_event(parts[-3], parts[-1], change)

    def _target(self) -> tuple[list[str], dict[str, str]]:
        found = urlsplit(self.path)
        query = {key: values[-1] for key, values in parse_qs(found.query).items()}
        return found.path.strip("/").split("/"), query

    def _body(self) -> Table:
        size = min(int(self.headers.get("Content-Length", "0")), MAX_BODY)
        return cast("Table", json.loads(self.rfile.read(size)))

    def _answer(self, act: Callable[[], Table | None]) -> None:
        self._epoch = self._api.epoch  # whoever sees the request may end its watch at once
        self._api.requests.append(f"{self.command} {self.path}")
        try:
            if self._api.token and self.headers.get("Authorization") != f"Bearer {self._api.token}":
                raise RefusedError(401, "Unauthorized", "Unauthorized")
            if self._api.fail_next:
                raise RefusedError(self._api.fail_next.pop(0), "Failure", "as the test wants it")
            found = act()
        except RefusedError as error:
            self._send(error.code, status(error.code, error.reason, str(error)))
            return
        if found is not None:
            self._send(200, found)

    def _stream(self, events: Iterator[Table]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for event in events:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                self.wfile.flush()
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def _send(self, code: int, found: Table) -> None:
        body = json.dumps(found).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
        """Stay silent."""
        del format, args
