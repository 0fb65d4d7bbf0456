"""Counts and times for Prometheus, and the health page that shows them.

One registry a daemon; the page speaks GET only and listens where it is told to.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from polypod.daemon import counted
from polypod.daemon.counted import Others
from polypod.errors import InvalidEnvironmentError, StorageError

MAX_NETWORKS = 64
"""So many (plugin, network) pairs have labels of their own; the rest is `other`."""
MAX_READERS = 8
VERBS = frozenset({"ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION"})
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60)


class Metrics:
    """The daemon's counters."""

    def __init__(
        self,
        *,
        parked: Callable[[], int],
        running: Callable[[], int],
        others: Others | None = None,
    ) -> None:
        """Register everything; the callables are asked at each scrape."""
        self.registry = CollectorRegistry()
        self._latency = Histogram(
            "polypod_request_seconds",
            "Time from the request's arrival in a thread to its answer",
            ["verb", "plugin"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._networks = Histogram(
            "polypod_attachment_seconds",
            "ADD: time one network took; DEL and GC: time of the call that took it back",
            ["verb", "plugin", "network"],
            buckets=BUCKETS,
            registry=self.registry,
        )
        self._known: set[tuple[str, str]] = set()
        self._errors = Counter(
            "polypod_errors_total", "Errors by slug", ["slug"], registry=self.registry
        )
        self._gauge("polypod_queue_length", "Requests that wait", lambda: float(parked()))
        self._gauge("polypod_requests_running", "Requests under way", lambda: float(running()))
        self._gauge("polypod_resident_bytes", "Resident memory", resident_bytes)
        for one in counted.metrics(others or Others()):
            self.registry.register(one)

    def _gauge(self, name: str, text: str, ask: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(ask)

    def observe(self, verb: str, plugin: str, seconds: float) -> None:
        """Count one request; an unknown verb is `other`, so that callers cannot add labels."""
        known = verb if verb in VERBS else "other"
        self._latency.labels(known, plugin).observe(seconds)

    def observe_network(self, verb: str, plugin: str, network: str, seconds: float) -> None:
        """Count one network of a call; names come from users, so only so many become labels."""
        pair = (plugin, network)
        if pair not in self._known:
            if len(self._known) < MAX_NETWORKS:
                self._known.add(pair)
            else:
                pair = ("other", "other")
        self._networks.labels(verb if verb in VERBS else "other", *pair).observe(seconds)

    def count_error(self, slug: str) -> None:
        """Count one error."""
        self._errors.labels(slug).inc()


def resident_bytes() -> float:
    """Return this process's resident memory in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return float(line.split()[1]) * 1024
    return 0.0


class HealthPage:
    """Serves /healthz, /readyz and /metrics."""

    def __init__(self, address: str, metrics: Metrics, is_ready: Callable[[], bool]) -> None:
        """Bind to HOST:PORT, of this machine unless HOST is given; start() serves.

        Raises:
            InvalidEnvironmentError: that is no address.
            StorageError: it cannot be had.
        """
        host, _, port = address.rpartition(":")
        if not port.isdecimal() or int(port) > 65535:
            raise InvalidEnvironmentError(
                f"{address[:100]!r} is not HOST:PORT", hint="for example --metrics 127.0.0.1:9091"
            )
        try:
            self._server = _Server((host or "127.0.0.1", int(port)), _page(metrics, is_ready))
        except OSError as error:
            raise StorageError(
                f"health page {address}: {error.strerror or error}",
                hint="give --metrics another port",
            ) from error
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="health", daemon=True)

    @property
    def port(self) -> int:
        """Return the port that was bound."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Serve in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Stop serving and free the port, at once: a successor may be waiting."""
        self._stop.set()
        with contextlib.suppress(OSError):  # this wakes who waits for a reader
            self._server.socket.shutdown(socket.SHUT_RDWR)
        if self._thread.is_alive():
            self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        """Take readers until told to stop; `serve_forever` looks for that twice a second only."""
        while not self._stop.is_set():
            self._server.handle_request()


class _Server(ThreadingHTTPServer):
    """Serves a few readers at once; more are hung up on."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], page: type[BaseHTTPRequestHandler]) -> None:
        self._places = threading.BoundedSemaphore(MAX_READERS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, page)

    def server_bind(self) -> None:
        """Bind, and do not ask the DNS for a name that nobody reads: a start would wait for it."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def process_request(self, request: object, client_address: object) -> None:
        """Start a thread when there is a place for one."""
        if self._places.acquire(blocking=False):
            super().process_request(request, client_address)  # type: ignore[arg-type]
        else:
            self.shutdown_request(request)  # type: ignore[arg-type]

    def process_request_thread(self, request: object, client_address: object) -> None:
        """Serve one reader and give its place back."""
        try:
            super().process_request_thread(request, client_address)  # type: ignore[arg-type]
        finally:
            self._places.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a reader that hangs up is no event."""
        del request, client_address


def _page(metrics: Metrics, is_ready: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Page(BaseHTTPRequestHandler):
        """One GET."""

        timeout = 5

        def do_GET(self) -> None:
            """Answer one of the three paths."""
            if self.path == "/metrics":
                self._send(200, generate_latest(metrics.registry))
            elif self.path == "/healthz":
                self._send(200, b"ok\n")
            elif self.path == "/readyz":
                ready = is_ready()
                self._send(200 if ready else 503, b"ready\n" if ready else b"not ready\n")
            else:
                self._send(404, b"not found\n")

        def _send(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            """Stay silent: probes come every second."""
            del format, args

    return Page
