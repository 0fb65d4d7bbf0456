"""Other people's plugins as our children: real scripts, found, bounded, heard in their words."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
import time
from pathlib import Path

import pytest

from polypod.errors import ForeignError, NotStartedError, TryAgainError
from polypod.foreign.process import Limits
from polypod.foreign.run import ForeignDoor
from polypod.plan.foreign import ForeignCall


def place(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def call(type_: str, *path: Path, stdin: bytes = b"{}") -> ForeignCall:
    return ForeignCall(
        type=type_,
        command="ADD",
        container_id="c1",
        netns="/run/netns/x",
        ifname="net1",
        arguments="",
        path=tuple(str(folder) for folder in path),
        stdin=stdin,
    )


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for_the_end_of(pid: int) -> None:
    deadline = time.monotonic() + 5
    while is_running(pid):
        assert time.monotonic() < deadline, f"process {pid} still runs"
        time.sleep(0.01)


# --- found ---


def test_the_first_executable_file_along_the_path_is_run(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in "abc")
    for folder in (first, second, third):
        folder.mkdir()
    (first / "x").mkdir()
    (second / "x").write_text("not executable")
    place(third, "x", "echo '{}'")

    assert ForeignDoor().run(call("x", first, second, third)) == b"{}\n"


@pytest.mark.parametrize("type_", ["../x", "/bin/true", "a/b", ".", "..", "x\0y", ""])
def test_a_type_that_is_no_plain_name_is_refused(tmp_path: Path, type_: str) -> None:
    place(tmp_path, "x", "echo '{}'")

    with pytest.raises(NotStartedError):
        ForeignDoor().run(call(type_, tmp_path / "sub", tmp_path))


def test_a_relative_folder_is_no_place_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path, "x", "echo '{}'")
    monkeypatch.chdir(tmp_path)

    with pytest.raises(NotStartedError, match="failed to find plugin"):
        ForeignDoor().run(call("x", Path()))


def test_our_own_shim_under_a_plugins_name_is_not_foreign(tmp_path: Path) -> None:
    place(tmp_path, "polypod", "")
    (tmp_path / "bridge").symlink_to("polypod")
    place(tmp_path, "ptp", "")

    door = ForeignDoor()

    assert not door.has("bridge", (str(tmp_path),))
    assert door.has("ptp", (str(tmp_path),))


@pytest.mark.parametrize("name", ["", ".", "..", "a/../x", "../x", "x\0", "/x"])
def test_what_is_no_plain_name_is_not_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "a").mkdir()
    place(tmp_path, "x", "")

    assert not ForeignDoor().has(name, (str(tmp_path), str(tmp_path / "a")))


def test_a_file_that_cannot_be_executed_never_ran(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"\x7fELF of another machine")
    path.chmod(0o755)

    with pytest.raises(NotStartedError, match="Exec format error"):
        ForeignDoor().run(call("x", tmp_path))


def test_a_program_that_is_being_replaced_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(Path("/bin/true").read_bytes())
    path.chmod(0o755)
    writer = os.open(path, os.O_WRONLY)
    threading.Timer(0.3, os.close, [writer]).start()

    assert ForeignDoor().run(call("x", tmp_path)) == b""


# --- told ---


def test_it_has_its_calls_variables_and_none_of_the_daemons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place(tmp_path, "x", "pwd; env")
    for name in ("CNI_EXTRA", "KUBECONFIG", "PYTHONPATH", "LD_PRELOAD"):
        monkeypatch.setenv(name, "of the daemon")

    told = ForeignDoor().run(call("x", tmp_path)).decode().splitlines()

    assert told[0] == "/"
    names = {line.partition("=")[0] for line in told[1:]}
    given = {"COMMAND", "CONTAINERID", "NETNS", "IFNAME", "ARGS", "PATH"}
    assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {f"CNI_{n}" for n in given} | {"PATH", "LANG"}


def test_an_executables_plugin_inherits_what_its_caller_had_but_cni(tmp_path: Path) -> None:
    place(tmp_path, "x", 'echo "$KUBECONFIG $CNI_EXTRA $CNI_COMMAND"')
    door = ForeignDoor(inherited={"KUBECONFIG": "k", "CNI_EXTRA": "e", "CNI_COMMAND": "DEL"})

    assert door.run(call("x", tmp_path)) == b"k  ADD\n"


def test_a_large_configuration_arrives_whole_while_output_comes(tmp_path: Path) -> None:
    place(tmp_path, "x", "cat")
    stdin = b"x" * 900_000

    assert ForeignDoor().run(call("x", tmp_path, stdin=stdin)) == stdin


def test_a_plugin_may_leave_its_stdin_unread(tmp_path: Path) -> None:
    place(tmp_path, "x", "exec <&-; echo '{}'")

    assert ForeignDoor().run(call("x", tmp_path, stdin=b"x" * 900_000)) == b"{}\n"


# --- heard ---


def test_its_error_keeps_code_words_and_details(tmp_path: Path) -> None:
    error = {"cniVersion": "1.0.0", "code": 103, "msg": "no room", "details": "in 10.0.0.0/24"}
    place(tmp_path, "x", f"echo '{json.dumps(error)}'; echo trace >&2; exit 3")

    with pytest.raises(ForeignError) as told:
        ForeignDoor().run(call("x", tmp_path))

    assert (told.value.code, told.value.cause, told.value.details) == (
        103,
        "no room",
        "in 10.0.0.0/24",
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("echo why >&2; exit 1", 'netplugin failed: "why'),
        ("exit 7", "netplugin failed with no error message: exit status 7"),
        ("echo oops; exit 1", "error parsing its diagnostic message"),
        ("kill -9 $$", "killed by signal 9"),
    ],
    ids=["stderr", "silent", "no-json", "killed"],
)
def test_a_failure_without_an_error_object_is_told_by_what_there_is(
    tmp_path: Path, body: str, words: str
) -> None:
    place(tmp_path, "x", body)

    with pytest.raises(ForeignError, match=words):
        ForeignDoor().run(call("x", tmp_path))


def test_what_it_tells_on_stderr_is_shown_bounded(tmp_path: Path) -> None:
    place(tmp_path, "x", "head -c 100000 /dev/zero | tr '\\0' y >&2; exit 1")

    with pytest.raises(ForeignError) as told:
        ForeignDoor().run(call("x", tmp_path))

    assert 100 < len(told.value.cause) < 1000


def test_what_it_tells_on_stderr_is_logged_bounded_when_it_succeeds_too(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place(tmp_path, "x", "head -c 100000 /dev/zero | tr '\\0' y >&2; echo '{}'")

    with caplog.at_level(logging.INFO):
        answer = ForeignDoor().run(call("x", tmp_path))

    (said,) = caplog.messages
    assert answer == b"{}\n"
    assert said.startswith("plugin.stderr type=x text='yyy")
    assert len(said) < 500


# --- bounded ---


def test_one_that_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    place(tmp_path, "x", f"sleep 60 & echo $$ $! >{pids}; sleep 60")
    door = ForeignDoor(limits=Limits(timeout_s=0.5))

    started = time.monotonic()
    with pytest.raises(ForeignError, match="timed out"):
        door.run(call("x", tmp_path))

    assert time.monotonic() - started < 5
    for pid in pids.read_text().split():
        wait_for_the_end_of(int(pid))


@pytest.mark.parametrize("stream", ["", ">&2"])
def test_one_that_does_not_stop_talking_is_ended(tmp_path: Path, stream: str) -> None:
    place(tmp_path, "x", f"exec yes {stream}")
    door = ForeignDoor(limits=Limits(output_bytes=1 << 20, timeout_s=20))

    with pytest.raises(ForeignError, match="too much output"):
        door.run(call("x", tmp_path))


def test_a_child_left_in_the_background_does_not_keep_the_call(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    place(tmp_path, "x", f"sleep 30 & echo $! >{pids}; echo '{{}}'")

    started = time.monotonic()
    answer = ForeignDoor().run(call("x", tmp_path))

    assert (answer, time.monotonic() - started < 5) == (b"{}\n", True)
    os.kill(int(pids.read_text()), 9)


def test_they_run_one_at_a_time(tmp_path: Path) -> None:
    log = tmp_path / "log"
    place(tmp_path, "x", f"echo in >>{log}; sleep 0.05; echo out >>{log}")
    door = ForeignDoor()

    threads = [threading.Thread(target=door.run, args=(call("x", tmp_path),)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert log.read_text().split() == ["in", "out"] * 5


def test_who_waits_too_long_for_others_is_told_to_come_again(tmp_path: Path) -> None:
    started = tmp_path / "started"
    place(tmp_path, "x", f"touch {started}; sleep 1")
    door = ForeignDoor(wait_s=0.05)
    first = threading.Thread(target=door.run, args=(call("x", tmp_path),))
    first.start()
    while not started.exists():
        time.sleep(0.005)

    with pytest.raises(TryAgainError) as told:
        door.run(call("x", tmp_path))

    assert told.value.code == 11
    first.join()


def test_no_file_stays_open(tmp_path: Path) -> None:
    place(tmp_path, "x", "echo '{}'")
    place(tmp_path, "noisy", "exec yes")
    door = ForeignDoor(limits=Limits(output_bytes=1000))
    door.run(call("x", tmp_path))
    before = len(os.listdir("/proc/self/fd"))

    for _ in range(10):
        door.run(call("x", tmp_path))
        with pytest.raises(ForeignError):
            door.run(call("noisy", tmp_path))

    assert len(os.listdir("/proc/self/fd")) == before


def test_the_errno_of_a_start_that_failed_is_in_words(tmp_path: Path) -> None:
    place(tmp_path, "x", "").write_text("#!/nonexistent/interpreter\n")

    with pytest.raises(NotStartedError, match=os.strerror(errno.ENOENT)):
        ForeignDoor().run(call("x", tmp_path))
