"""The gRPC client against servers that answer, refuse, and misbehave."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from tests.grpc_server import GrpcServer, RefusedError

from polypod.errors import DecodeError, PolypodError, RpcError, TryAgainError
from polypod.kube import grpc

ECHO = "/test.Service/Echo"


@pytest.fixture
def place() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="grpc-") as folder:
        yield Path(folder) / "sock"


@contextmanager
def scripted(place: Path, act: Callable[[socket.socket], None]) -> Generator[None]:
    """Serve one connection by a function."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                act(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield
        thread.join(5)
        assert not thread.is_alive()


def answering(
    *bodies: bytes, headers: tuple[tuple[str, str], ...] = (("grpc-status", "0"),)
) -> Callable[[socket.socket], None]:
    """Answer the request with these bytes as they are, and these trailers."""

    def act(connection: socket.socket) -> None:
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        while not (events := http.receive_data(connection.recv(1 << 16))) or not any(
            type(event).__name__ == "StreamEnded" for event in events
        ):
            connection.sendall(http.data_to_send())
        http.send_headers(1, [(":status", "200"), ("content-type", "application/grpc")])
        for body in bodies:
            http.send_data(1, body)
        http.send_headers(1, headers, end_stream=True)
        connection.sendall(http.data_to_send())

    return act


def saying(words: bytes) -> Callable[[socket.socket], None]:
    """Say something, and hang up."""

    def act(connection: socket.socket) -> None:
        connection.sendall(words)

    return act


def asked(place: Path, *, timeout_s: float = 5, limit: int = 1 << 20) -> bytes:
    return grpc.call(place, ECHO, b"hello", timeout_s=timeout_s, limit=limit)


@pytest.mark.parametrize("size", [0, 5, 16_384, 70_000, 900_000])
def test_an_answer_of_any_size_arrives(place: Path, size: int) -> None:
    with GrpcServer(place, {ECHO: lambda _: b"x" * size}) as server:
        assert asked(place) == b"x" * size

    assert server.calls == [ECHO]


def test_a_refusal_carries_the_servers_words(place: Path) -> None:
    def refuse(message: bytes) -> bytes:
        raise RefusedError(5, f"nothing of {message.decode()}: 100% gone, überall")

    with GrpcServer(place, {ECHO: refuse}), pytest.raises(RpcError) as refused:
        asked(place)

    assert refused.value.status == 5
    assert refused.value.cause == "nothing of hello: 100% gone, überall"


def test_nobody_at_the_socket_is_a_passing_condition(place: Path) -> None:
    with pytest.raises(TryAgainError, match="No such file"):
        asked(place)

    place.write_text("", encoding="utf-8")
    with pytest.raises(TryAgainError, match="refused"):
        asked(place)


@pytest.mark.parametrize("path", ["/" + "x" * 200, "/a\0b"])
def test_a_path_that_no_socket_can_have_is_refused(path: str) -> None:
    with pytest.raises(TryAgainError):
        asked(Path(path))


def test_a_silent_server_is_given_up(place: Path) -> None:
    release = threading.Event()
    with scripted(place, lambda _: _wait(release)):
        with pytest.raises(TryAgainError):
            asked(place, timeout_s=0.1)
        release.set()


def _wait(release: threading.Event) -> None:
    release.wait(5)


def test_a_server_that_goes_on_for_ever_is_given_up(place: Path) -> None:
    def ping(connection: socket.socket) -> None:
        http = H2Connection(H2Configuration(client_side=False))
        http.initiate_connection()
        try:
            while True:
                http.ping(b"12345678")
                connection.sendall(http.data_to_send())
        except OSError:
            return

    with scripted(place, ping), pytest.raises(TryAgainError):
        asked(place, timeout_s=0.2)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), id="http 1"),
        pytest.param(saying(b"\xff" * 64), id="noise"),
        pytest.param(answering(b"\0\0\0\0\x05abc"), id="shorter than it says"),
        pytest.param(answering(b"\0\0\0\0\x01abc"), id="longer than it says"),
        pytest.param(answering(b"\1\0\0\0\x03abc"), id="compressed"),
        pytest.param(answering(b"\0\0"), id="no prefix"),
        pytest.param(answering(b"\0\0\0\0\x03abc", headers=(("x", "y"),)), id="no status"),
        pytest.param(
            answering(b"\0\0\0\0\x03abc", headers=(("grpc-status", "-1"),)), id="odd status"
        ),
        pytest.param(saying(b""), id="hangs up"),
    ],
)
def test_what_is_no_grpc_is_an_error_of_ours(
    place: Path, act: Callable[[socket.socket], None]
) -> None:
    with scripted(place, act), pytest.raises(PolypodError):
        asked(place, timeout_s=2)


def test_an_answer_beyond_the_limit_is_not_taken_in(place: Path) -> None:
    with (
        GrpcServer(place, {ECHO: lambda _: b"x" * 200_000}),
        pytest.raises(DecodeError, match="longer than 1000"),
    ):
        asked(place, limit=1000)


def test_a_daemon_imports_no_http2_until_it_is_needed() -> None:
    program = (
        "import sys, polypod.daemon.app\n"
        "lazy = ('h2', 'hpack', 'polypod.kube.grpc', 'polypod.kube.claims',"
        " 'polypod.kube.pod_resources')\n"
        "print([name for name in lazy if name in sys.modules])"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30
    )

    assert (ran.stdout, ran.stderr) == ("[]\n", "")
