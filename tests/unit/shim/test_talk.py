"""What the shim says to the daemon, and what it makes of the answer."""

from __future__ import annotations

import json
import os
import socket
import struct
import time

import pytest
from tests.unit.shim.node import Node, error_of, receive

from polypod.daemon.wire import WireRequest, send_mismatch, send_result


def test_no_command_says_what_it_is(node: Node) -> None:
    done = node.call(None)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 0 and done.stdout == b""
    assert lines[0].startswith("CNI polypod plugin polypod-")
    assert lines[1].endswith("supported: 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0")


def test_version_needs_no_daemon(node: Node) -> None:
    done = node.call("VERSION")
    assert done.returncode == 0
    assert done.stdout.startswith(b'{"cniVersion":"1.1.0","supportedVersions":["0.1.0",')
    assert json.loads(done.stdout)["supportedVersions"][-1] == "1.1.0"


def test_add_hands_over_everything_and_prints_the_answer(node: Node) -> None:
    seen: list[WireRequest] = []
    inodes: list[int] = []

    def serve(connection: socket.socket) -> None:
        request = receive(connection)
        assert request.netns_fd is not None and request.host_fd is not None
        seen.append(request)
        inodes.extend(os.fstat(fd).st_ino for fd in (request.netns_fd, request.host_fd))
        request.close()
        send_result(connection, 3, b"out", b"err")

    big = b"x" * (1 << 20)
    with node.daemon(serve):
        done = node.call("ADD", big, CNI_NETNS="/proc/self/ns/net", CNI_ARGS="A=b", OTHER="no")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out", b"err")
    assert seen[0].argv0 == "polypod" and seen[0].stdin == big
    expected = {"CNI_COMMAND": "ADD", "CNI_NETNS": "/proc/self/ns/net", "CNI_ARGS": "A=b"}
    assert seen[0].environment == expected
    assert inodes == [os.stat("/proc/self/ns/net").st_ino] * 2


def test_missing_namespace_is_left_to_the_daemon(node: Node) -> None:
    def serve(connection: socket.socket) -> None:
        request = receive(connection)
        assert request.netns_fd is None and request.host_fd is not None
        request.close()
        send_result(connection, 0, b"")

    with node.daemon(serve):
        assert node.call("DEL", CNI_NETNS="/nowhere").returncode == 0


def test_too_large_stdin_is_refused(node: Node) -> None:
    assert error_of(node.call("ADD", b"x" * ((1 << 20) + 1)))["code"] == 6


def test_another_wire_version_is_explained(node: Node) -> None:
    def newer(connection: socket.socket) -> None:
        receive(connection).close()
        payload = struct.pack("<II", 7, 0)
        connection.sendall(struct.pack("<4sHHI", b"PLYP", 7, 5, len(payload)) + payload)

    def same(connection: socket.socket) -> None:
        receive(connection).close()
        send_mismatch(connection)

    with node.daemon(newer):
        answer = error_of(node.call("ADD"))
    assert answer["code"] == 11 and "this shim is older" in answer["details"]
    assert answer["msg"] == "shim speaks wire version 1, the daemon version 7"
    node.socket.unlink()
    with node.daemon(same):
        assert "daemon version 1" in error_of(node.call("ADD"))["msg"]


@pytest.mark.parametrize(
    "frame", [b"HTTP/1.1 400 Bad", struct.pack("<4sHHIII", b"PLYP", 1, 2, 8, 0, 99)]
)
def test_malformed_answer_is_an_error(node: Node, frame: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        connection.sendall(frame)

    with node.daemon(serve):
        assert "malformed" in error_of(node.call("ADD"))["msg"]


def test_the_request_says_when_the_shim_began(node: Node) -> None:
    seen: list[int] = []

    def serve(connection: socket.socket) -> None:
        request = receive(connection)
        seen.append(request.started)
        request.close()
        send_result(connection, 0, b"")

    before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    with node.daemon(serve):
        assert node.call("ADD").returncode == 0
    assert before <= seen[0] <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def test_under_a_plugins_name_it_says_that_name(node: Node) -> None:
    seen: list[str] = []
    link = node.folder / "host-local"
    link.symlink_to(node.program[-1])

    def serve(connection: socket.socket) -> None:
        request = receive(connection)
        seen.append(request.argv0)
        request.close()
        send_result(connection, 0, b"")

    node.program = [*node.program[:-1], str(link)]
    with node.daemon(serve):
        assert node.call("ADD").returncode == 0
    assert seen == ["host-local"]


def test_too_many_variables_are_refused(node: Node) -> None:
    many = {f"CNI_X{number}": "x" * 100_000 for number in range(12)}
    answer = error_of(node.call("ADD", b"x" * (1 << 20), **many))
    assert answer["code"] == 4 and "CNI_ variables" in answer["msg"]


def test_a_hostile_text_of_the_daemon_stays_inside_its_string(node: Node) -> None:
    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        words = b'"}\n\x01{"code": 0}'
        payload = struct.pack("<II", 2, len(words)) + words
        connection.sendall(struct.pack("<4sHHI", b"PLYP", 2, 5, len(payload)) + payload)

    with node.daemon(serve):
        answer = error_of(node.call("ADD"))
    assert answer["details"].endswith('the daemon says: "}\n\x01{"code": 0}')
