"""The shim as the one that runs foreign plugins: bounded in time and output, and reported."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest
from tests.unit.shim.node import Node, error_of, receive, running, script

from polypod.daemon import frames, wire
from polypod.daemon.frames import CallerGoneError, Kind
from polypod.daemon.wire import How, Ran, Run, run_in_shim


def test_add_is_not_repeated_once_a_plugin_ran(node: Node) -> None:
    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        run = Run(path="/bin/true", environment={}, stdin=b"")
        assert run_in_shim(connection, run).how is How.EXITED

    with node.daemon(serve):
        answer = error_of(node.call("ADD", POLYPOD_WAIT_MS="20000"))
    assert answer["code"] == 11 and "lost" in answer["msg"]


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


def test_a_late_plugin_is_ended_with_all_its_children(node: Node) -> None:
    ran: list[Ran] = []
    pids = node.folder / "pids"
    body = f"sleep 60 & echo $! $$ >{pids}; wait"
    run = Run(path=script(node.folder, body), environment={}, stdin=b"", timeout_ms=1_000)
    with node.daemon(running(run, ran)):
        node.call("ADD")
    assert ran[0].how is How.TIMED_OUT
    assert wait_until_gone([int(word) for word in pids.read_text().split()])


def test_a_killed_shim_takes_its_plugin_along_and_all_that_it_started(node: Node) -> None:
    # The daemon undoes the ADD at once: an address plugin that went on would take one after that.
    pids = node.folder / "pids"
    body = f"sleep 60 & echo $! $$ >{pids}.new; mv {pids}.new {pids}; wait"
    started = script(node.folder, body)

    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        with pytest.raises(CallerGoneError):
            run_in_shim(connection, Run(path=started, environment={}, stdin=b""))

    with node.daemon(serve):
        shim = node.start("ADD")
        deadline = time.monotonic() + 30
        while not pids.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shim.kill()
        shim.wait()
    assert wait_until_gone([int(word) for word in pids.read_text().split()])


def test_what_a_plugin_leaves_running_stays_when_it_ends(node: Node) -> None:
    pid = node.folder / "pid"
    body = f"sleep 60 >/dev/null 2>&1 </dev/null & echo $! >{pid}"
    ran: list[Ran] = []
    with node.daemon(running(Run(path=script(node.folder, body), environment={}, stdin=b""), ran)):
        node.call("ADD")
    left = int(pid.read_text())
    try:
        assert ran[0].how is How.EXITED
        os.kill(left, 0)
    finally:
        os.kill(left, signal.SIGKILL)


def test_a_daemon_that_goes_away_ends_the_plugin_it_asked_for(node: Node) -> None:
    # The next daemon undoes what was begun: a plugin that went on would do its work after that.
    pid, done = node.folder / "pid", node.folder / "done"
    body = f"sleep 60 & echo $! $$ >{pid}.new; mv {pid}.new {pid}; wait; touch {done}"
    path = script(node.folder, body)

    def leave(connection: socket.socket) -> None:
        receive(connection).close()
        run = Run(path=path, environment={}, stdin=b"")
        frames.send(connection, Kind.RUN, wire._render_run(run))
        deadline = time.monotonic() + 30
        while not pid.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    with node.daemon(leave):
        answer = error_of(node.call("ADD", POLYPOD_WAIT_MS="20000"))
    assert answer["code"] == 11 and "lost" in answer["msg"]
    assert wait_until_gone([int(word) for word in pid.read_text().split()])
    assert not done.exists()


def test_two_plugins_run_one_after_the_other(node: Node) -> None:
    ran: list[Ran] = []
    path = script(node.folder, 'echo "$CNI_COMMAND"; echo no >&2; exit 1')

    def serve(connection: socket.socket) -> None:
        receive(connection).close()
        for verb in ("ADD", "DEL"):
            run = Run(path=path, environment={"CNI_COMMAND": verb}, stdin=b"")
            ran.append(run_in_shim(connection, run))

    with node.daemon(serve):
        error_of(node.call("ADD"))
    assert [(run.value, run.stdout, run.stderr) for run in ran] == [
        (1, b"ADD\n", b"no\n"),
        (1, b"DEL\n", b"no\n"),
    ]


def wait_until_gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 10
    while any(is_running(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
