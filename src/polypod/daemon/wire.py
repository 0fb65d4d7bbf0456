"""The wire between shim and daemon: frames to typed requests, answers to frames.

It decides what a well-formed frame is and closes every descriptor it does not hand on. Whether a
request makes sense is left to `polypod.cni`; whom to serve, to the daemon. `shim/shim.c` is the
other end.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from polypod.errors import DecodeError, TryAgainError

WIRE_VERSION: Final = 1
MAX_PAYLOAD: Final = 8 << 20
MAX_STDIN: Final = 1 << 20
MAX_STREAM: Final = 3 << 20
SEND_SECONDS: Final = 30.0
RUN_SLACK_SECONDS: Final = 10.0

_MAGIC: Final = b"PLYP"
_HEADER: Final = struct.Struct("<4sHHI")
_U32: Final = struct.Struct("<I")
_CHUNK: Final = 1 << 16
_MAX_FDS: Final = 8


class Kind(IntEnum):
    """What a frame is; the numbers are part of the wire."""

    REQUEST = 1
    RESULT = 2
    RUN = 3
    RAN = 4
    MISMATCH = 5


class How(IntEnum):
    """How a plugin's run ended; the numbers are part of the wire."""

    EXITED = 0
    SIGNALLED = 1
    EXEC_FAILED = 2
    TIMED_OUT = 3
    TOO_LARGE = 4


class VersionMismatch(DecodeError):  # noqa: N818 - the name other rooms use
    """The shim speaks another version of the wire."""

    slug = "wire-version"
    hint = "restart the daemon, so that it places its own shim again"

    def __init__(self, version: int) -> None:
        """Keep the shim's version."""
        super().__init__(f"shim speaks wire version {version}, the daemon version {WIRE_VERSION}")
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class WireRequest:
    """One call of a runtime; whoever holds it owns both descriptors."""

    argv0: str
    environment: dict[str, str]
    stdin: bytes
    netns_fd: int | None = None
    host_fd: int | None = None

    def close(self) -> None:
        """Close both descriptors; call once."""
        _close(fd for fd in (self.netns_fd, self.host_fd) if fd is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A plugin for the shim to run; `max_output` bounds each stream (the shim: 3 MiB)."""

    path: str
    environment: dict[str, str]
    stdin: bytes
    timeout_ms: int = 60_000
    max_output: int = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """How the run ended; `value` is the exit status, the signal or execve's errno."""

    how: How
    value: int
    stdout: bytes
    stderr: bytes


def receive_request(sock: socket.socket, deadline_s: float) -> WireRequest:
    """Read one REQUEST within `deadline_s` seconds from now; nothing stays open on an error."""
    fds: list[int] = []
    try:
        payload = _receive_frame(sock, Kind.REQUEST, time.monotonic() + deadline_s, fds)
        mask, request = _parse_request(payload)
        if mask > 3 or mask.bit_count() != len(fds):
            raise DecodeError(f"the frame names descriptors {mask:#x} and carries {len(fds)}")
        left = iter(fds)
        return WireRequest(
            argv0=request.argv0,
            environment=request.environment,
            stdin=request.stdin,
            netns_fd=next(left) if mask & 1 else None,
            host_fd=next(left) if mask & 2 else None,
        )
    except BaseException:
        _close(fds)
        raise


def parse_request_payload(payload: bytes) -> WireRequest:
    """Read a REQUEST's payload from the spool, where no descriptors are."""
    mask, request = _parse_request(payload)
    if mask:
        raise DecodeError("a spooled request names descriptors")
    return request


def render_request_payload(request: WireRequest) -> bytes:
    """Write the payload `parse_request_payload` reads; descriptors stay behind."""
    entries = _render_environment(request.environment)
    return b"".join((_U32.pack(0), _blob(_bytes(request.argv0)), entries, _blob(request.stdin)))


def send_result(sock: socket.socket, exit_code: int, stdout: bytes, stderr: bytes = b"") -> None:
    """Answer the request; TryAgainError if the caller went away."""
    _send(sock, Kind.RESULT, _U32.pack(exit_code) + _blob(stdout) + _blob(stderr))


def send_mismatch(sock: socket.socket) -> None:
    """Tell a shim of another version which version this daemon speaks."""
    _send(sock, Kind.MISMATCH, _U32.pack(WIRE_VERSION) + _blob(b"this daemon is another release"))


def run_in_shim(sock: socket.socket, run: Run) -> Ran:
    """Have the shim run a plugin and wait for its end; TryAgainError if the caller went away."""
    _send(sock, Kind.RUN, _render_run(run))
    seconds = run.timeout_ms / 1000 + RUN_SLACK_SECONDS
    fds: list[int] = []
    try:
        payload = _receive_frame(sock, Kind.RAN, time.monotonic() + seconds, fds)
    finally:
        _close(fds)
    return parse_ran(payload)


def parse_ran(payload: bytes) -> Ran:
    """Read a RAN's payload."""
    reader = _Reader(payload)
    how, value = reader.number(), reader.number()
    stdout, stderr = reader.blob(MAX_STREAM), reader.blob(MAX_STREAM)
    reader.end()
    if how not in set(How):
        raise DecodeError(f"the shim reports an unknown end {how}")
    return Ran(how=How(how), value=value, stdout=stdout, stderr=stderr)


def _parse_request(payload: bytes) -> tuple[int, WireRequest]:
    reader = _Reader(payload)
    mask = reader.number()
    argv0 = _text(reader.blob(MAX_PAYLOAD))
    environment: dict[str, str] = {}
    for _ in range(reader.number()):
        name, sign, value = _text(reader.blob(MAX_PAYLOAD)).partition("=")
        if not sign or not name.startswith("CNI_"):
            raise DecodeError("the frame has a variable that is not of the form CNI_X=value")
        environment.setdefault(name, value)  # as getenv: the first one counts
    stdin = reader.blob(MAX_STDIN)
    reader.end()
    return mask, WireRequest(argv0=argv0, environment=environment, stdin=stdin)


def _render_run(run: Run) -> bytes:
    return b"".join(
        (
            _blob(_bytes(run.path)),
            _render_environment(run.environment),
            _blob(run.stdin),
            _U32.pack(run.timeout_ms),
            _U32.pack(run.max_output),
        )
    )


def _render_environment(environment: dict[str, str]) -> bytes:
    entries = [_blob(_bytes(f"{name}={value}")) for name, value in environment.items()]
    return _U32.pack(len(entries)) + b"".join(entries)


class _Reader:
    """A cursor over a payload; every step is bounded by what is left."""

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def number(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def blob(self, limit: int) -> bytes:
        size = self.number()
        if size > limit:
            raise DecodeError(f"the frame has a field of {size} bytes, the limit is {limit}")
        return self._take(size)

    def end(self) -> None:
        if self._at != len(self._payload):
            raise DecodeError("the frame has bytes after its last field")

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._payload):
            raise DecodeError("the frame ends within a field")
        taken = self._payload[self._at : end]
        self._at = end
        return taken


def _receive_frame(sock: socket.socket, kind: Kind, deadline: float, fds: list[int]) -> bytes:
    with _timeout_kept(sock):
        header = _receive_exactly(sock, _HEADER.size, deadline, fds)
        magic, version, found, size = _HEADER.unpack(header)
        if magic != _MAGIC:
            raise DecodeError("the caller does not speak the shim's protocol")
        if version != WIRE_VERSION:
            raise VersionMismatch(version)
        if found != kind:
            raise DecodeError(f"the shim sent a frame of kind {found}, expected {int(kind)}")
        if size > MAX_PAYLOAD:
            raise DecodeError(f"the frame has {size} bytes, the limit is {MAX_PAYLOAD}")
        return _receive_exactly(sock, size, deadline, fds)


def _receive_exactly(sock: socket.socket, size: int, deadline: float, fds: list[int]) -> bytes:
    taken = bytearray()
    room = socket.CMSG_SPACE(_MAX_FDS * array.array("i").itemsize)
    while len(taken) < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise DecodeError("the shim's frame did not arrive in time")
        sock.settimeout(left)
        try:
            part, ancillary, flags, _ = sock.recvmsg(
                min(size - len(taken), _CHUNK), room, socket.MSG_CMSG_CLOEXEC
            )
        except TimeoutError as error:
            raise DecodeError("the shim's frame did not arrive in time") from error
        except OSError as error:
            raise TryAgainError(f"the caller went away: {error.strerror}") from error
        _gather(ancillary, fds)
        if flags & socket.MSG_CTRUNC or len(fds) > 2:
            raise DecodeError("the frame carries too many descriptors")
        if not part:
            raise DecodeError("the caller hung up within a frame")
        taken += part
    return bytes(taken)


def _gather(ancillary: list[tuple[int, int, bytes]], fds: list[int]) -> None:
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found = array.array("i")
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
            fds.extend(found)


def _send(sock: socket.socket, kind: Kind, payload: bytes) -> None:
    if len(payload) > MAX_PAYLOAD:
        raise DecodeError(f"the answer has {len(payload)} bytes, the limit is {MAX_PAYLOAD}")
    frame = _HEADER.pack(_MAGIC, WIRE_VERSION, kind, len(payload)) + payload
    with _timeout_kept(sock):
        sock.settimeout(SEND_SECONDS)
        try:
            sock.sendall(frame)
        except OSError as error:
            cause = error.strerror or "time-out"
            raise TryAgainError(f"the caller went away: {cause}") from error


@contextlib.contextmanager
def _timeout_kept(sock: socket.socket) -> Generator[None]:
    before = sock.gettimeout()
    try:
        yield
    finally:
        sock.settimeout(before)


def _close(fds: Iterator[int] | list[int]) -> None:
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _blob(content: bytes) -> bytes:
    return _U32.pack(len(content)) + content


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
