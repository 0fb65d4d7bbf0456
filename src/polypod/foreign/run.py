"""Runs foreign plugins as children of this process, when no shim is there to do it.

Bounded in time, output and number; a program that is being replaced (text file busy) is retried.
"""

from __future__ import annotations

import errno
import os
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from polypod.foreign import find, outcome
from polypod.foreign.outcome import Ended, Outcome
from polypod.plan.foreign import ForeignCall

TIMEOUT_S = 120.0
MAX_OUTPUT = 4 << 20
_BUSY_TRIES, _BUSY_PAUSE_S = 5, 0.2


class ForeignDoor:
    """Runs plugins, at most `limit` at a time: they count against this process's memory."""

    def __init__(self, limit: int = 1) -> None:
        """Set how many may run at once."""
        self._places = threading.BoundedSemaphore(limit)

    def has(self, type_: str, path: tuple[str, ...]) -> bool:
        """Tell whether the executable is found along path."""
        return find.is_found(type_, path)

    def run(self, call: ForeignCall) -> bytes:
        """Run a plugin and return its stdout.

        Raises:
            ForeignError: not found, failed, timed out, or too much output.
        """
        executable = find.find(call.type, call.path)
        with self._places:
            return outcome.read(call.type, _run(executable, call))


def environment(call: ForeignCall) -> dict[str, str]:
    """Return the CNI variables of a call."""
    return {
        "CNI_COMMAND": call.command,
        "CNI_CONTAINERID": call.container_id,
        "CNI_NETNS": call.netns,
        "CNI_IFNAME": call.ifname,
        "CNI_ARGS": call.arguments,
        "CNI_PATH": ":".join(call.path),
    }


def _run(executable: Path, call: ForeignCall) -> Outcome:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CNI_")}
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        try:
            child = _start(
                executable, {**kept, **environment(call)}, stdout.fileno(), stderr.fileno()
            )
        except OSError as error:
            return Outcome(ended=Ended.NOT_STARTED, number=error.errno or 0)
        ended = _feed(child, call.stdin)
        if ended is not None:
            return ended
        for stream in (stdout, stderr):
            stream.seek(0)
        said, told = stdout.read(MAX_OUTPUT + 1), stderr.read(MAX_OUTPUT)
    if len(said) > MAX_OUTPUT:
        return Outcome(ended=Ended.TOO_MUCH_OUTPUT)
    how = Ended.EXITED if child.returncode >= 0 else Ended.SIGNALLED
    return Outcome(ended=how, number=abs(child.returncode), stdout=said, stderr=told)


def _start(
    executable: Path, variables: dict[str, str], stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    for _ in range(_BUSY_TRIES):
        try:
            return _spawn(executable, variables, stdout, stderr)
        except OSError as error:
            if error.errno != errno.ETXTBSY:
                raise
            time.sleep(_BUSY_PAUSE_S)
    return _spawn(executable, variables, stdout, stderr)


def _spawn(
    executable: Path, variables: dict[str, str], stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [str(executable)],
        env=variables,
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=stderr,
        cwd="/",
        start_new_session=True,
    )


def _feed(child: subprocess.Popen[bytes], stdin: bytes) -> Outcome | None:
    """Give a child its stdin and wait; an outcome only when it had to be ended."""
    try:
        child.communicate(stdin, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, 9)
        child.wait()
        return Outcome(ended=Ended.TIMED_OUT)
    return None
