"""One child process, bounded: its time, what it may print, and all that it started if it overruns.

A program that is just being replaced (text file busy) is tried again. What a child leaves running
in the background does not keep us: its end counts, not the end of its pipes.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from polypod.foreign.outcome import Ended, Outcome

_BUSY_TRIES, _BUSY_PAUSE_S = 5, 0.2
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one run may take."""

    timeout_s: float = 120.0
    output_bytes: int = 3 << 20
    """Of each of its two streams, as in the shim."""


def run(
    command: Sequence[str],
    variables: Mapping[str, str],
    stdin: bytes,
    limits: Limits,
    *,
    pass_fds: Sequence[int] = (),
) -> Outcome:
    """Run a program to its end, or to one of its limits."""
    try:
        child = _start(command, variables, pass_fds)
    except OSError as error:
        return Outcome(ended=Ended.NOT_STARTED, number=error.errno or 0)
    attended = _attend(child, stdin, limits)
    try:
        early = attended.until_the_end()
    finally:
        attended.close()
    if early is not None:
        return Outcome(ended=early)
    how = Ended.EXITED if child.returncode >= 0 else Ended.SIGNALLED
    return Outcome(
        ended=how,
        number=abs(child.returncode),
        stdout=bytes(attended.said),
        stderr=bytes(attended.told),
    )


def _start(
    command: Sequence[str], variables: Mapping[str, str], pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    for tries in range(_BUSY_TRIES + 1):
        if tries:
            time.sleep(_BUSY_PAUSE_S)
        try:
            return subprocess.Popen(
                command,
                bufsize=0,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd="/",
                pass_fds=pass_fds,
                start_new_session=True,
            )
        except OSError as error:
            if error.errno != errno.ETXTBSY or tries == _BUSY_TRIES:
                raise
    raise AssertionError("the last try returns or raises")


def _attend(child: subprocess.Popen[bytes], stdin: bytes, limits: Limits) -> _Attended:
    pipes = [pipe for pipe in (child.stdin, child.stdout, child.stderr) if pipe is not None]
    for pipe in pipes:
        os.set_blocking(pipe.fileno(), False)
    source, out, err = pipes
    attended = _Attended(child, source, out, err, stdin, limits, os.pidfd_open(child.pid))
    attended.selector.register(attended.pidfd, selectors.EVENT_READ)
    attended.selector.register(source, selectors.EVENT_WRITE)
    for pipe in (out, err):
        attended.selector.register(pipe, selectors.EVENT_READ)
    return attended


@dataclass(slots=True)
class _Attended:
    """A child whose pipes are served until it ends."""

    child: subprocess.Popen[bytes]
    source: IO[bytes]
    out: IO[bytes]
    err: IO[bytes]
    left: bytes
    limits: Limits
    pidfd: int
    said: bytearray = field(default_factory=bytearray)
    told: bytearray = field(default_factory=bytearray)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def until_the_end(self) -> Ended | None:
        """Serve the pipes; return the limit that was reached, None when the child ended."""
        deadline = time.monotonic() + self.limits.timeout_s
        while True:
            left = deadline - time.monotonic()
            events = self.selector.select(max(0.0, left))
            if not events and left <= 0:
                return self._end(Ended.TIMED_OUT)
            has_ended = any(key.fileobj == self.pidfd for key, _ in events)
            if not self._serve():
                return self._end(Ended.TOO_MUCH_OUTPUT)
            if has_ended:
                self.child.wait()
                return None

    def close(self) -> None:
        """Close every pipe."""
        self.selector.close()
        for pipe in (self.source, self.out, self.err):
            pipe.close()
        os.close(self.pidfd)

    def _serve(self) -> bool:
        """Move what can be moved; False when a stream holds too much."""
        self._feed()
        return self._collect(self.out, self.said) and self._collect(self.err, self.told)

    def _feed(self) -> None:
        pipe = self.source
        if pipe.closed:
            return
        try:
            self.left = self.left[os.write(pipe.fileno(), self.left[:_CHUNK]) :]
        except BlockingIOError:
            return
        except BrokenPipeError:  # a plugin may leave its stdin unread
            self.left = b""
        if not self.left:
            self._drop(pipe)

    def _collect(self, pipe: IO[bytes], into: bytearray) -> bool:
        while not pipe.closed:
            try:
                part = os.read(pipe.fileno(), _CHUNK)
            except BlockingIOError:
                return True
            into += part
            if len(into) > self.limits.output_bytes:
                return False
            if not part:
                self._drop(pipe)
        return True

    def _drop(self, pipe: IO[bytes]) -> None:
        self.selector.unregister(pipe)
        pipe.close()

    def _end(self, why: Ended) -> Ended:
        """End the child and all that it started in its session."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)
        self.child.wait()
        return why
