"""A plugin that the daemon begins itself runs where the runtime sees its files."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from polypod.errors import ForeignError, TryAgainError
from polypod.foreign.mounts import RuntimeMounts
from polypod.foreign.process import Limits
from polypod.foreign.run import ForeignDoor
from polypod.install.place import shim_binary
from polypod.plan.foreign import ForeignCall

RUNTIME = """
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("listening", flush=True)
while True:
    listener.accept()[0].close()
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of plugins that the runtime's mounts hide under another one."""

    plugins: Path
    socket: Path

    def door(self, limits: Limits | None = None) -> ForeignDoor:
        return ForeignDoor(mounts=RuntimeMounts(self.socket, shim_binary()), limits=limits)

    def call(self, type_: str, stdin: bytes = b"{}") -> ForeignCall:
        return ForeignCall(
            type=type_,
            command="DEL",
            container_id="c1",
            netns="",
            ifname="net1",
            arguments="",
            path=(str(self.plugins),),
            stdin=stdin,
        )


def plugin(folder: Path, name: str, body: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{body}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The daemon's plugins say "here"; the runtime, in mounts of its own, has others."""
    found = Place(tmp_path / "bin", tmp_path / "runtime.sock")
    there = tmp_path / "there"
    for folder, word in ((found.plugins, "here"), (there, "there")):
        folder.mkdir()
        plugin(folder, "speaks", f'echo "{word} $CNI_COMMAND $(cat)"; pwd')
        plugin(folder, "fails", 'echo \'{"code": 77, "msg": "no"}\'; exit 1')
        plugin(folder, "sleeps", "sleep 60")
    plugin(found.plugins, "only-here", "echo")
    script = f'mount --bind {there} {found.plugins} && exec "$@"'
    runs = [sys.executable, "-c", RUNTIME, str(found.socket)]
    runtime = subprocess.Popen(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh", *runs],
        stdout=subprocess.PIPE,
    )
    assert runtime.stdout is not None
    with runtime.stdout:
        assert runtime.stdout.readline() == b"listening\n"
        yield found
        runtime.kill()
        runtime.wait()


def test_it_runs_what_the_runtime_has_at_that_path(place: Place) -> None:
    said = place.door().run(place.call("speaks", b"config"))

    assert said == b"there DEL config\n/\n"


def test_without_a_runtime_it_runs_what_is_here(place: Place) -> None:
    assert ForeignDoor().run(place.call("speaks", b"config")) == b"here DEL config\n/\n"


def test_its_own_error_comes_back(place: Place) -> None:
    with pytest.raises(ForeignError) as told:
        place.door().run(place.call("fails"))

    assert (told.value.code, told.value.cause) == (77, "no")


def test_what_the_runtime_lacks_is_an_error_that_says_so(place: Place) -> None:
    with pytest.raises(ForeignError, match=r"cannot start the plugin .*only-here there: No such"):
        place.door().run(place.call("only-here"))


def test_its_time_is_bounded_there_too(place: Place) -> None:
    with pytest.raises(ForeignError, match="timed out"):
        place.door(Limits(timeout_s=0.3)).run(place.call("sleeps"))


def test_a_runtime_that_is_away_is_a_passing_condition(place: Place, tmp_path: Path) -> None:
    door = ForeignDoor(mounts=RuntimeMounts(tmp_path / "none.sock", shim_binary()))

    with pytest.raises(TryAgainError, match="cannot be found"):
        door.run(place.call("speaks"))


def test_the_second_mode_takes_a_descriptor_only(place: Place) -> None:
    for number in ("", "x", "2", "-1", "99999999999", "4x"):
        done = subprocess.run(
            [shim_binary(), "--in", number, str(place.plugins / "speaks")],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
        )
        assert done.returncode == 1 and "is no descriptor" in done.stdout

    with socket.socket() as no_process:
        done = subprocess.run(
            [shim_binary(), "--in", str(no_process.fileno()), str(place.plugins / "speaks")],
            capture_output=True,
            text=True,
            check=False,
            timeout=10,
            pass_fds=[no_process.fileno()],
        )
    assert "cannot enter the runtime's mount namespace" in done.stdout
