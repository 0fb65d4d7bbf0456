"""The wire between shim and daemon: frames to typed requests, answers to frames.

Whether a request makes sense is left to `polypod.cni`; whom to serve, to the daemon. The frames
themselves are frames.py's; `shim/shim.c` is the other end, docs/reference has every field.
"""

from __future__ import annotations

import socket
from enum import IntEnum
from typing import Final

import msgspec

from polypod.daemon import frames
from polypod.daemon.frames import Deadline, Kind, Reader, Waiting, blob, number
from polypod.errors import DecodeError

MAX_REQUEST: Final = 2 << 20
MAX_STDIN: Final = 1 << 20
MAX_STREAM: Final = 3 << 20
RUN_SLACK_SECONDS: Final = 10.0


class How(IntEnum):
    """How a plugin's run ended; the numbers are part of the wire."""

    EXITED = 0
    SIGNALLED = 1
    EXEC_FAILED = 2
    TIMED_OUT = 3
    TOO_LARGE = 4


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a runtime; whoever holds it owns both descriptors."""

    argv0: str
    environment: dict[str, str]
    stdin: bytes
    started: int = 0
    """When the shim began, in nanoseconds of CLOCK_BOOTTIME."""
    netns_fd: int | None = None
    host_fd: int | None = None

    @property
    def command(self) -> str:
        """Return the verb as the caller wrote it."""
        return self.environment.get("CNI_COMMAND", "")

    @property
    def container_id(self) -> str:
        """Return the container's id as the caller wrote it."""
        return self.environment.get("CNI_CONTAINERID", "")

    @property
    def size_bytes(self) -> int:
        """Return about how much memory it holds."""
        return len(self.stdin) + sum(len(value) for value in self.environment.values())

    def close(self) -> None:
        """Close both descriptors; call once."""
        frames.close(fd for fd in (self.netns_fd, self.host_fd) if fd is not None)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin for the shim to run; `max_output` bounds each stream (the shim: 3 MiB)."""

    path: str
    environment: dict[str, str]
    stdin: bytes
    timeout_ms: int = 60_000
    max_output: int = 1 << 20


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """How the run ended; `value` is the exit status, the signal or execve's errno."""

    how: How
    value: int
    stdout: bytes
    stderr: bytes


def receive_request(sock: socket.socket, waiting: Waiting) -> WireRequest | None:
    """Read one REQUEST; None is a daemon that asks to take over.

    Nothing stays open on an error, and the errors are those of `frames.receive`.
    """
    fds: list[int] = []
    try:
        kind, payload = frames.receive(sock, waiting, fds, limit=MAX_REQUEST)
        if kind == Kind.TAKE_OVER and not payload and not fds:
            return None
        if kind != Kind.REQUEST:
            raise DecodeError(f"the caller sent a frame of kind {kind}, expected a request")
        return _parse_request(payload, fds)
    except BaseException:
        frames.close(fds)
        raise


def parse_spooled(content: bytes) -> WireRequest:
    """Read a REQUEST that the shim kept as a file: the frame as it would have been sent.

    Raises:
        VersionMismatch: a release whose entries have another form wrote it.
        DecodeError: it is damaged, or not a request without descriptors.
    """
    kind, payload = frames.parse(content)
    if kind != Kind.REQUEST:
        raise DecodeError(f"a spooled frame of kind {kind} is no request")
    return _parse_request(payload, [])


def render_request(request: WireRequest) -> bytes:
    """Write the frame that a shim sends; descriptors stay behind."""
    return frames.frame(Kind.REQUEST, _render_call(request))


def render_spooled(request: WireRequest) -> bytes:
    """Write the file that `parse_spooled` reads."""
    return frames.frame(Kind.REQUEST, _render_call(request), version=frames.SPOOL_VERSION)


def _render_call(request: WireRequest) -> bytes:
    parts = (
        number(0),
        number(request.started, 8),
        blob(_bytes(request.argv0)),
        _render_environment(request.environment),
        blob(request.stdin),
    )
    return b"".join(parts)


def send_result(sock: socket.socket, exit_code: int, stdout: bytes, stderr: bytes = b"") -> None:
    """Answer the request; CallerGoneError if nobody reads it."""
    frames.send(sock, Kind.RESULT, number(exit_code) + blob(stdout) + blob(stderr))


def send_mismatch(sock: socket.socket) -> None:
    """Tell a shim of another version which version this daemon speaks.

    This frame never changes: a shim of any version reads it.
    """
    words = blob(b"this daemon is of another release than the shim")
    frames.send(sock, Kind.MISMATCH, number(frames.WIRE_VERSION) + words)


def run_in_shim(sock: socket.socket, run: Run) -> Ran:
    """Have the shim run a plugin and wait for its end; CallerGoneError if the shim went away."""
    frames.send(sock, Kind.RUN, _render_run(run))
    fds: list[int] = []
    try:
        deadline = Deadline(run.timeout_ms / 1000 + RUN_SLACK_SECONDS)
        kind, payload = frames.receive(sock, deadline, fds)
        if kind != Kind.RAN or fds:
            raise DecodeError(f"the shim sent a frame of kind {kind}, expected a run's end")
    finally:
        frames.close(fds)
    return parse_ran(payload)


def parse_ran(payload: bytes) -> Ran:
    """Read a RAN's payload."""
    reader = Reader(payload)
    how, value = reader.number(), reader.number()
    stdout, stderr = reader.blob(MAX_STREAM), reader.blob(MAX_STREAM)
    reader.end()
    if how not in set(How):
        raise DecodeError(f"the shim reports an unknown end {how}")
    return Ran(how=How(how), value=value, stdout=stdout, stderr=stderr)


def _parse_request(payload: bytes, fds: list[int]) -> WireRequest:
    reader = Reader(payload)
    mask, started = reader.number(), reader.number(8)
    argv0 = _text(reader.blob())
    environment: dict[str, str] = {}
    for _ in range(reader.number()):
        name, sign, value = _text(reader.blob()).partition("=")
        if not sign or not name.startswith("CNI_"):
            raise DecodeError("the frame has a variable that is not of the form CNI_X=value")
        environment.setdefault(name, value)  # as getenv: the first one counts
    stdin = reader.blob(MAX_STDIN)
    reader.end()
    if mask > 3 or mask.bit_count() != len(fds):
        raise DecodeError(f"the frame names descriptors {mask:#x} and carries {len(fds)}")
    left = iter(fds)
    return WireRequest(
        argv0=argv0,
        environment=environment,
        stdin=stdin,
        started=started,
        netns_fd=next(left) if mask & 1 else None,
        host_fd=next(left) if mask & 2 else None,
    )


def _render_run(run: Run) -> bytes:
    return b"".join(
        (
            blob(_bytes(run.path)),
            _render_environment(run.environment),
            blob(run.stdin),
            number(run.timeout_ms),
            number(run.max_output),
        )
    )


def _render_environment(environment: dict[str, str]) -> bytes:
    entries = [blob(_bytes(f"{name}={value}")) for name, value in environment.items()]
    return number(len(entries)) + b"".join(entries)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
