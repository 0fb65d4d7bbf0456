"""The HTTP client against servers that misbehave."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager

import pytest

from polypod.errors import ApiError, PolypodError, TryAgainError
from polypod.kube.access import Access
from polypod.kube.client import MERGE, Client, Query
from polypod.testing.api_http import PODS
from polypod.testing.api_server import FakeApiServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def scripted(*turns: Callable[[socket.socket], None]) -> Generator[int]:
    """Serve one connection by each function, in order; yield the port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        for turn in turns:
            connection, _ = listener.accept()
            with connection:
                turn(connection)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
        thread.join(5)
        assert not thread.is_alive()
    finally:
        listener.close()


def answer(*answers: bytes) -> Callable[[socket.socket], None]:
    def turn(connection: socket.socket) -> None:
        for words in answers:
            if not connection.recv(1 << 16):
                return
            connection.sendall(words)

    return turn


def client_of(port: int) -> Client:
    return Client(Access(host="127.0.0.1", port=port, tls=False))


def test_a_connection_is_kept_for_the_next_request() -> None:
    with scripted(answer(OK, OK)) as port, closing(client_of(port)) as client:
        assert [client.get(Query(path="/a")), client.get(Query(path="/b"))] == [b"{}", b"{}"]


def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    with scripted(answer(OK), answer(OK)) as port, closing(client_of(port)) as client:
        client.get(Query(path="/a"))

        assert client.get(Query(path="/b")) == b"{}"


@pytest.mark.parametrize(
    "words",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", b"junk\r\n\r\n", b"\x00" * 70000],
    ids=["closed", "cut off", "not http", "too long"],
)
def test_a_broken_answer_is_a_passing_condition(words: bytes) -> None:
    with scripted(answer(words)) as port, pytest.raises(TryAgainError):
        client_of(port).get(Query(path="/"))


def test_a_silent_server_is_given_up() -> None:
    release = threading.Event()
    with scripted(lambda _connection: _wait(release)) as port:
        with pytest.raises(TryAgainError):
            client_of(port).get(Query(path="/"), timeout_s=0.05)
        release.set()


def _wait(event: threading.Event) -> None:
    event.wait(5)


def test_a_watch_that_falls_silent_is_given_up() -> None:
    release = threading.Event()

    def turn(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{}\n\r\n")
        release.wait(5)

    with scripted(turn) as port:
        with client_of(port).lines(Query(path="/w"), silence_s=0.1) as lines:
            assert next(lines) == b"{}"
            with pytest.raises(TryAgainError):
                next(lines)
        release.set()


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param([b"{1}\n", b"{22}\n"], id="a line a chunk"),
        pytest.param([b"{1}\n{22}\n"], id="two lines in a chunk"),
        pytest.param([b"{", b"1}", b"\n{2", b"2}\n"], id="a line in three chunks"),
    ],
)
def test_lines_are_whole_however_they_are_cut(parts: list[bytes]) -> None:
    def turn(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for part in (*parts, b""):
            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))

    with (
        scripted(turn) as port,
        client_of(port).lines(Query(path="/w"), silence_s=1) as lines,
    ):
        assert list(lines) == [b"{1}", b"{22}"]


def test_an_event_that_is_cut_off_is_not_taken_for_whole() -> None:
    def turn(connection: socket.socket) -> None:
        connection.recv(1 << 16)
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        )

    with (
        scripted(turn) as port,
        client_of(port).lines(Query(path="/w"), silence_s=1) as lines,
        pytest.raises(TryAgainError, match="cut off"),
    ):
        next(lines)


def test_nobody_there_is_a_passing_condition_with_a_hint() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(TryAgainError) as refused:
        client_of(port).get(Query(path="/"))

    assert "API server" in refused.value.cause and refused.value.hint


def test_a_refused_token_is_read_again_once() -> None:
    tokens = iter(["old", "new", "unused"])
    held = [next(tokens)]

    def refuse() -> None:
        held[0] = next(tokens)

    with FakeApiServer(token="new") as api:
        access = Access(
            host="127.0.0.1",
            port=api.port,
            tls=False,
            token=lambda: held[0],
            refuse_token=refuse,
        )

        with closing(Client(access)) as client:
            assert b"items" in client.get(Query(path=PODS))
        assert len(api.requests) == 2


def test_a_token_is_never_in_an_error() -> None:
    with FakeApiServer(token="right") as api:
        access = Access(host="127.0.0.1", port=api.port, tls=False, token=lambda: "s3cret")

        with closing(Client(access)) as client, pytest.raises(ApiError) as refused:
            client.get(Query(path=PODS))

    assert refused.value.status == 401
    assert "s3cret" not in repr(refused.value) + refused.value.hint


@pytest.mark.parametrize("status", [403, 404, 409, 410, 429, 500, 503])
def test_a_refusal_keeps_its_status_and_words(status: int) -> None:
    with FakeApiServer() as api:
        api.fail_next = [status]

        with (
            closing(client_of(api.port)) as client,
            pytest.raises(ApiError, match="as the test wants it") as refused,
        ):
            client.send("PATCH", Query(path=PODS), b"{}", content_type=MERGE)

    assert refused.value.status == status


def test_a_proxy_is_asked_for_a_way_through() -> None:
    heard: list[bytes] = []

    def turn(connection: socket.socket) -> None:
        heard.append(connection.recv(1 << 16))
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        heard.append(connection.recv(1 << 16))
        connection.sendall(OK)

    with scripted(turn) as port:
        access = Access(host="api.example", port=6443, tls=False, proxy=("127.0.0.1", port))
        with closing(Client(access)) as client:
            assert client.get(Query(path="/x")) == b"{}"

    assert heard[0].startswith(b"CONNECT api.example:6443 HTTP/1.1\r\n")
    assert heard[1].startswith(b"GET /x HTTP/1.1\r\n")


def test_a_proxy_that_refuses_is_named() -> None:
    with scripted(answer(b"HTTP/1.1 403 Forbidden\r\n\r\n")) as port:
        access = Access(host="h", port=1, tls=False, proxy=("127.0.0.1", port))
        with pytest.raises(PolypodError, match="the proxy refused"):
            Client(access).get(Query(path="/"))
