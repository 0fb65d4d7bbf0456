"""The shim as the runtime sees it: a process, driven against a daemon that is one Python thread."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypod.daemon.wire import (
    How,
    Ran,
    Run,
    VersionMismatch,
    WireRequest,
    parse_ran,
    parse_request_payload,
    receive_request,
    render_request_payload,
    run_in_shim,
    send_mismatch,
    send_result,
)
from polypod.errors import DecodeError

ROOT = Path(__file__).resolve().parents[3]
QEMU = shutil.which("qemu-aarch64-static")
VARIANTS = [
    "zig",
    pytest.param("asan", marks=pytest.mark.skipif(not shutil.which("gcc"), reason="gcc is absent")),
    pytest.param(
        "qemu", marks=pytest.mark.skipif(not QEMU, reason="qemu-aarch64-static is absent")
    ),
]
Serve = Callable[[socket.socket], None]


@pytest.fixture(scope="session")
def builder() -> Any:
    spec = importlib.util.spec_from_file_location("shim_build", ROOT / "shim" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=VARIANTS)
def program(request: pytest.FixtureRequest, builder: Any) -> list[str]:
    """The command that starts the shim, in each way it is built."""
    if request.param == "qemu":
        return [str(QEMU), str(builder.build("aarch64"))]
    return [str(builder.build(builder.machine(), sanitize=request.param == "asan"))]


@dataclass(slots=True)
class Node:
    """A folder with the socket's place and the spool, and the shim's command."""

    program: list[str]
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def socket(self) -> Path:
        return self.folder / "s"

    @property
    def spool(self) -> Path:
        return self.folder / "var" / "spool"

    def call(self, command: str | None, stdin: bytes = b"{}", **extra: str) -> Any:
        own = {"POLYPOD_SOCKET": str(self.socket), "POLYPOD_SPOOL": str(self.spool)}
        own |= {"POLYPOD_WAIT_MS": "100", "PATH": os.environ["PATH"], **extra}
        if command is not None:
            own["CNI_COMMAND"] = command
        return subprocess.run(
            self.program, input=stdin, capture_output=True, env=own, timeout=60, check=False
        )

    @contextlib.contextmanager
    def daemon(self, *serves: Serve) -> Generator[None]:
        """Serve one connection after the other; what a server raises fails the test."""
        failures: list[BaseException] = []

        def work() -> None:
            try:
                for serve in serves:
                    connection, _ = listener.accept()
                    with connection:
                        serve(connection)
            except BaseException as error:
                failures.append(error)

        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(self.socket))
            listener.listen(8)
            listener.settimeout(60)
            thread = threading.Thread(target=work)
            thread.start()
            try:
                yield
            finally:
                thread.join()
        assert not failures, failures


@pytest.fixture
def node(program: list[str], tmp_path: Path) -> Node:
    return Node(program, tmp_path)


def error_of(done: Any) -> dict[str, Any]:
    assert done.returncode == 1, done
    answer: dict[str, Any] = json.loads(done.stdout)
    assert list(answer) == ["code", "msg", "details"]
    assert done.stdout.startswith(b'{\n    "code"') and not done.stdout.endswith(b"\n")
    assert b"Sanitizer" not in done.stderr
    return answer


def running(run: Run, into: list[Ran]) -> Serve:
    def serve(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        into.append(run_in_shim(connection, run))
        send_result(connection, 0, b"done")

    return serve


def script(folder: Path, body: str) -> str:
    path = folder / "plugin"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


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
        request = receive_request(connection, 10)
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
        request = receive_request(connection, 10)
        assert request.netns_fd is None and request.host_fd is not None
        request.close()
        send_result(connection, 0, b"")

    with node.daemon(serve):
        assert node.call("DEL", CNI_NETNS="/nowhere").returncode == 0


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
    request = parse_request_payload(kept.read_bytes())
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
        receive_request(connection, 10).close()

    def answer(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        send_result(connection, 0, b"second")

    with node.daemon(reset, answer):
        assert node.call("ADD", POLYPOD_WAIT_MS="20000").stdout == b"second"


def test_del_whose_connection_is_lost_is_kept(node: Node) -> None:
    with node.daemon(lambda connection: receive_request(connection, 10).close()):
        assert node.call("DEL").returncode == 0
    assert len(list(node.spool.iterdir())) == 1


def test_add_is_not_repeated_once_a_plugin_ran(node: Node) -> None:
    def serve(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        run = Run(path="/bin/true", environment={}, stdin=b"")
        assert run_in_shim(connection, run).how is How.EXITED

    with node.daemon(serve):
        answer = error_of(node.call("ADD", POLYPOD_WAIT_MS="20000"))
    assert answer["code"] == 11 and "lost" in answer["msg"]


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
        receive_request(connection, 10).close()
        send_result(connection, 0, b"late")

    with node.daemon(serve):
        caller.join()
    assert results[0].stdout == b"late"


def test_silent_daemon_is_given_up_in_time(node: Node) -> None:
    def serve(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        assert connection.recv(1) == b""

    with node.daemon(serve):
        answer = error_of(node.call("ADD", POLYPOD_TIMEOUT_MS="500"))
    assert answer["code"] == 11 and "in time" in answer["msg"]


def test_too_large_stdin_is_refused(node: Node) -> None:
    assert error_of(node.call("ADD", b"x" * ((1 << 20) + 1)))["code"] == 6


def test_plugins_run_with_their_own_environment(node: Node) -> None:
    body = 'cat; echo "$CNI_COMMAND-$CNI_ARGS-$KEPT" >&2; exit 7'
    path = script(node.folder, body)
    ran: list[Ran] = []
    run = Run(path=path, environment={"CNI_COMMAND": "CHECK"}, stdin=b"y" * 300_000)
    with node.daemon(running(run, ran)):
        done = node.call("ADD", CNI_ARGS="gone", KEPT="kept")
    assert done.stdout == b"done"
    assert ran == [Ran(how=How.EXITED, value=7, stdout=run.stdin, stderr=b"CHECK--kept\n")]


@pytest.mark.parametrize(
    ("body", "how", "value"),
    [
        ("sleep 60 & sleep 60", How.TIMED_OUT, 0),
        ("exec cat /dev/zero", How.TOO_LARGE, 0),
        ("kill -TERM $$", How.SIGNALLED, int(signal.SIGTERM)),
        ("sleep 60 >&2 &", How.EXITED, 0),
    ],
)
def test_every_end_of_a_plugin_is_reported(node: Node, body: str, how: How, value: int) -> None:
    ran: list[Ran] = []
    limit = 1_000 if how is How.TIMED_OUT else 30_000
    path = script(node.folder, body)
    run = Run(path=path, environment={}, stdin=b"", timeout_ms=limit, max_output=1000)
    with node.daemon(running(run, ran)):
        assert node.call("ADD").stdout == b"done"
    assert (ran[0].how, ran[0].value) == (how, value)
    assert len(ran[0].stdout) == (1000 if how is How.TOO_LARGE else 0)


@pytest.mark.parametrize(("path", "errno"), [("/nowhere", 2), ("/dev/null", 13)])
def test_plugin_that_cannot_start_is_reported(node: Node, path: str, errno: int) -> None:
    ran: list[Ran] = []
    with node.daemon(running(Run(path=path, environment={}, stdin=b""), ran)):
        node.call("ADD")
    assert ran == [Ran(how=How.EXEC_FAILED, value=errno, stdout=b"", stderr=b"")]


def test_another_wire_version_is_explained(node: Node) -> None:
    def newer(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        payload = struct.pack("<II", 7, 0)
        connection.sendall(struct.pack("<4sHHI", b"PLYP", 7, 5, len(payload)) + payload)

    def same(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        send_mismatch(connection)

    with node.daemon(newer):
        answer = error_of(node.call("ADD"))
    assert answer["code"] == 11 and "upgrade" in answer["details"]
    assert answer["msg"] == "shim speaks wire version 1, the daemon version 7"
    node.socket.unlink()
    with node.daemon(same):
        assert "daemon version 1" in error_of(node.call("ADD"))["msg"]


@pytest.mark.parametrize(
    "frame", [b"HTTP/1.1 400 Bad", struct.pack("<4sHHIII", b"PLYP", 1, 2, 8, 0, 99)]
)
def test_malformed_answer_is_an_error(node: Node, frame: bytes) -> None:
    def serve(connection: socket.socket) -> None:
        receive_request(connection, 10).close()
        connection.sendall(frame)

    with node.daemon(serve):
        assert "malformed" in error_of(node.call("ADD"))["msg"]


raw = st.binary(max_size=40)
words = raw.map(lambda b: b.decode("utf-8", "surrogateescape"))
names = st.from_regex(r"\ACNI_[A-Z]{0,8}\Z")
requests = st.builds(
    WireRequest, argv0=words, environment=st.dictionaries(names, words, max_size=5), stdin=raw
)


@given(requests)
def test_a_request_survives_the_wire(request: WireRequest) -> None:
    assert parse_request_payload(render_request_payload(request)) == request


@given(requests, st.data())
def test_a_cut_request_is_refused(request: WireRequest, data: st.DataObject) -> None:
    payload = render_request_payload(request)
    cut = data.draw(st.integers(0, len(payload) - 1))
    with pytest.raises(DecodeError):
        parse_request_payload(payload[:cut])


@given(raw)
def test_hostile_bytes_raise_only_decode_errors(payload: bytes) -> None:
    for parse in (parse_request_payload, parse_ran):
        with contextlib.suppress(DecodeError):
            parse(payload)


@pytest.mark.parametrize("mask", [0, 1, 3, 4])
def test_a_refused_frame_leaves_no_descriptor_open(mask: int) -> None:
    payload = (
        struct.pack("<I", mask)
        + render_request_payload(WireRequest(argv0="p", environment={}, stdin=b""))[4:]
    )
    count = {0: 1, 1: 2, 3: 3, 4: 1}[mask]
    left, right = socket.socketpair()
    with left, right, open("/dev/null") as null:
        before = len(os.listdir("/proc/self/fd"))
        frame = struct.pack("<4sHHI", b"PLYP", 1, 1, len(payload)) + payload
        socket.send_fds(left, [frame], [null.fileno()] * count)
        with pytest.raises(DecodeError):
            receive_request(right, 5)
        assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"PLYP",
        b"X" * 12,
        struct.pack("<4sHHI", b"PLYP", 1, 1, 9 << 20),
        b"PLYP\1\0\1\0\\9\0\0\0a",
    ],
)
def test_a_broken_frame_is_refused(frame: bytes) -> None:
    left, right = socket.socketpair()
    with right:
        with left:
            left.sendall(frame)
        with pytest.raises(DecodeError):
            receive_request(right, 5)


def test_a_newer_shim_is_recognised_by_its_header() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(struct.pack("<4sHHI", b"PLYP", 2, 1, 5))
        with pytest.raises(VersionMismatch) as raised:
            receive_request(right, 5)
        assert raised.value.version == 2


def test_a_silent_caller_is_given_up() -> None:
    left, right = socket.socketpair()
    with left, right, pytest.raises(DecodeError):
        receive_request(right, 0.05)
