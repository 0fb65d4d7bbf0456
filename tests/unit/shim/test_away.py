"""The shim without a daemon: it waits, keeps DELs, and says what to do."""

from __future__ import annotations

import socket
import subprocess
import threading
from typing import Any

import pytest
from tests.unit.shim.node import Node, error_of, receive

from polypod.daemon.wire import parse_spooled, send_result


@pytest.mark.parametrize(
    ("command", "code"), [("ADD", 11), ("CHECK", 11), ("GC", 11), ("STATUS", 50)]
)
def test_daemon_away_is_an_error_to_repeat(node: Node, command: str, code: int) -> None:
    answer = error_of(node.call(command))
    assert answer["code"] == code and "away" in answer["msg"]


def test_del_with_the_daemon_away_is_kept(node: Node) -> None:
    done = node.call("DEL", b'{"name":"n"}', CNI_CONTAINERID="c1")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    (kept,) = node.spool.iterdir()
    assert kept.suffix == ".del" and len(kept.name.split("-")[0]) == 20
    request = parse_spooled(kept.read_bytes())
    assert request.environment == {"CNI_COMMAND": "DEL", "CNI_CONTAINERID": "c1"}
    assert request.stdin == b'{"name":"n"}'
    assert node.spool.stat().st_mode & 0o777 == 0o700


def test_del_fails_when_the_spool_is_full(node: Node) -> None:
    node.spool.mkdir(parents=True)
    for number in range(4096):
        (node.spool / f"{number}.del").touch()
    answer = error_of(node.call("DEL"))
    assert answer["code"] == 11 and "full" in answer["msg"]


def test_del_fails_when_the_spool_cannot_be_written(node: Node) -> None:
    (node.folder / "var").touch()
    answer = error_of(node.call("DEL"))
    assert answer["code"] == 11 and "Not a directory" in answer["msg"]


def test_reset_before_an_answer_is_tried_again(node: Node) -> None:
    def reset(connection: socket.socket) -> None:
        receive(connection).close()

    def answer(connection: socket.socket) -> None:
        receive(connection).close()
        send_result(connection, 0, b"second")

    with node.daemon(reset, answer):
        assert node.call("ADD", POLYPOD_WAIT_MS="20000").stdout == b"second"


def test_del_whose_connection_is_lost_is_kept(node: Node) -> None:
    with node.daemon(lambda connection: receive(connection).close()):
        assert node.call("DEL").returncode == 0
    assert len(list(node.spool.iterdir())) == 1


def test_daemon_that_appears_late_is_found(node: Node) -> None:
    results: list[Any] = []
    caller = threading.Thread(
        target=lambda: results.append(node.call("ADD", POLYPOD_WAIT_MS="20000"))
    )
    with socket.socket(socket.AF_UNIX) as refusing:
        refusing.bind(str(node.socket))
        caller.start()
        caller.join(0.3)
    assert not results
    node.socket.unlink()

    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        send_result(connection, 0, b"late")

    with node.daemon(serve):
        caller.join()
    assert results[0].stdout == b"late"


def test_silent_daemon_is_given_up_in_time(node: Node) -> None:
    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        assert connection.recv(1) == b""

    with node.daemon(serve):
        answer = error_of(node.call("ADD", POLYPOD_TIMEOUT_MS="500"))
    assert answer["code"] == 11 and "in time" in answer["msg"]


def test_del_fails_when_the_spool_holds_too_much(node: Node) -> None:
    node.spool.mkdir(parents=True)
    with (node.spool / "1.del").open("wb") as file:
        file.truncate(64 << 20)
    answer = error_of(node.call("DEL"))
    assert answer["code"] == 11 and "full" in answer["msg"]


def test_deletes_at_one_time_are_all_kept(node: Node) -> None:
    started = [
        subprocess.Popen(
            node.program,
            stdin=subprocess.DEVNULL,
            env=node.variables("DEL", CNI_CONTAINERID=f"c{number}"),
        )
        for number in range(12)
    ]
    assert [process.wait(60) for process in started] == [0] * 12
    kept = [parse_spooled(path.read_bytes()).container_id for path in node.spool.iterdir()]
    assert sorted(kept) == sorted(f"c{number}" for number in range(12))


def test_status_waits_for_a_daemon_that_comes_back(node: Node) -> None:
    results: list[Any] = []
    caller = threading.Thread(
        target=lambda: results.append(node.call("STATUS", POLYPOD_WAIT_MS="20000"))
    )
    caller.start()
    caller.join(0.2)

    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        send_result(connection, 0, b"")

    with node.daemon(serve):
        caller.join()
    assert results[0].returncode == 0


def test_gc_with_the_daemon_away_keeps_nothing(node: Node) -> None:
    assert error_of(node.call("GC"))["code"] == 11
    assert not node.spool.exists()


def test_a_caller_without_the_right_to_connect_is_told_why(node: Node) -> None:
    node.socket.write_text("no socket")
    answer = error_of(node.call("ADD"))
    assert answer["code"] == 11 and "away" in answer["msg"]
