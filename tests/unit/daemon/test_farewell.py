"""A stop is an uninstall only when the DaemonSet is gone, or our rights are."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from polypod.daemon.farewell import is_for_good
from polypod.kube.access import Access
from polypod.kube.client import Client

OURS = {"POD_NAMESPACE": "polypod-system", "DAEMON_SET": "polypod"}


@contextmanager
def answering(
    status: int, body: bytes, *, to_event: int = 201, at_first: tuple[int, ...] = ()
) -> Generator[Client]:
    waiting = list(at_first)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/apis/apps/v1/namespaces/polypod-system/daemonsets/polypod"
            self.answer(waiting.pop(0) if waiting else status, body)

        def do_POST(self) -> None:
            assert self.path == "/api/v1/namespaces/polypod-system/events?dryRun=All"
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert event["involvedObject"]["namespace"] == event["metadata"]["namespace"]
            self.answer(to_event, b"{}")

        def answer(self, code: int, said: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - inherited name
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = Client(Access(host="127.0.0.1", port=server.server_address[1], tls=False))
    try:
        yield client
    finally:
        client.close()
        server.shutdown()
        server.server_close()


def daemon_set(**metadata: str) -> bytes:
    return json.dumps({"metadata": {"name": "polypod", **metadata}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, daemon_set(), False),
        (200, daemon_set(deletionTimestamp="2026-01-01T00:00:00Z"), True),
        (404, b"{}", True),
        (403, b"{}", True),
        (401, b"{}", True),
        (500, b"{}", False),
        (503, b"{}", False),
        (200, b"junk", False),
    ],
)
def test_what_the_server_says_decides(status: int, body: bytes, expected: bool) -> None:  # noqa: FBT001 - a table
    with answering(status, body) as client:
        assert is_for_good(client, OURS, again_s=0.0) is expected


def test_a_refusal_that_passes_is_of_a_server_that_has_just_started() -> None:
    with answering(200, daemon_set(), at_first=(403,)) as client:
        assert not is_for_good(client, OURS, again_s=0.0)


@pytest.mark.parametrize(("to_event", "expected"), [(201, False), (403, True), (500, False)])
def test_a_namespace_that_takes_no_new_object_is_going(to_event: int, expected: bool) -> None:  # noqa: FBT001 - a table
    with answering(200, daemon_set(), to_event=to_event) as client:
        assert is_for_good(client, OURS) is expected


def test_a_server_that_is_away_means_stay() -> None:
    with answering(200, b"") as client:
        pass

    assert not is_for_good(client, OURS)


def test_nobody_is_asked_without_a_daemon_set() -> None:
    with answering(404, b"{}") as client:
        assert not is_for_good(client, {})
