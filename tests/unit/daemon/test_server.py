"""Who may ask: root, or the daemon's own user; the kernel's word counts, not the file's mode."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from polypod.daemon import server
from polypod.daemon.server import Server
from polypod.errors import ConflictError, StorageError

NOBODY = 65534
ASK = """
import socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect(sys.argv[1])
    connection.settimeout(20)
    sys.stdout.write(connection.recv(10).decode())
"""


def greet(connection: socket.socket) -> None:
    with connection:
        connection.sendall(b"served")


@pytest.fixture
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("s")
    path = folder / "s"
    running = Server(path, greet, threads=2)
    running.start()
    yield path
    running.close()
    running.join(5)


def ask(path: Path, *prefix: str) -> str:
    command = [*prefix, sys.executable, "-I", "-c", ASK, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def test_the_daemons_own_user_is_served(listening: Path) -> None:
    assert ask(listening) == "served"
    assert listening.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="needs root")
def test_another_user_is_hung_up_on_even_when_the_socket_lets_him_in(
    listening: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for folder in (listening.parent, *listening.parents):
        if folder != Path("/") and not folder.stat().st_mode & 0o001:
            folder.chmod(folder.stat().st_mode | 0o011)
    listening.chmod(0o666)
    user = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")

    assert ask(listening, *user) == ""

    assert f"peer.refused uid={NOBODY}" in caplog.text


@pytest.mark.parametrize("uid", [1, 1000, NOBODY, 4294967295])
def test_nobody_else_is_allowed(uid: int) -> None:
    assert server.is_allowed(0) and server.is_allowed(os.geteuid())
    assert not server.is_allowed(uid)


def test_a_defect_in_one_call_does_not_end_its_thread(
    tmp_path_factory: pytest.TempPathFactory, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path_factory.mktemp("s") / "s"
    served = threading.Event()

    def serve(connection: socket.socket) -> None:
        connection.close()
        if not served.is_set():
            served.set()
            raise RuntimeError("broken on purpose")

    running = Server(path, serve, threads=1)
    running.start()
    answers = [ask(path), ask(path)]
    running.close()
    running.join(5)

    assert answers == ["", ""] and "serve.broken" in caplog.text


def test_a_place_that_cannot_be_had_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError) as raised:
        Server(tmp_path / "file" / "s", greet, threads=1)
    assert "--socket" in raised.value.hint


def test_a_socket_where_somebody_listens_is_not_taken(listening: Path) -> None:
    with pytest.raises(ConflictError, match="another daemon listens"):
        Server(listening, greet, threads=1)

    assert ask(listening) == "served"


def test_another_kind_of_file_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConflictError, match="no socket"):
        Server(tmp_path / "file", greet, threads=1)
    assert (tmp_path / "file").read_text() == "precious"


def test_a_socket_left_by_a_killed_daemon_is_replaced(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("s") / "s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    running = Server(path, greet, threads=1)
    running.start()

    assert ask(path) == "served"

    running.close()
    assert not path.exists()


def test_the_socket_of_a_successor_is_left_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("s") / "s"
    first = Server(path, greet, threads=1)
    first.start()
    path.unlink()
    second = Server(path, greet, threads=1)
    second.start()
    first.close()

    assert ask(path) == "served"

    second.close()
    assert not path.exists()
