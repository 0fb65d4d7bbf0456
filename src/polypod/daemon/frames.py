"""Frames on the socket: a header, a payload, sometimes descriptors; bounded in size and in time.

It knows what a frame is and closes every descriptor that it does not hand on. What payloads mean
is wire.py's; `shim/shim.c` is the other end.
"""

from __future__ import annotations

import array
import contextlib
import os
import socket
import struct
import time
from collections.abc import Generator, Iterable, Sequence
from enum import IntEnum
from typing import Final, Protocol

from polypod.errors import DecodeError, TryAgainError

WIRE_VERSION: Final = 1
SPOOL_VERSION: Final = 1
"""The form of what a shim keeps: counted apart, for releases with another wire read it."""
MAX_PAYLOAD: Final = 8 << 20
SEND_SECONDS: Final = 30.0

_MAGIC: Final = b"PLYP"
_HEADER: Final = struct.Struct("<4sHHI")
_U32: Final = struct.Struct("<I")
_CHUNK: Final = 1 << 16
_AT_ONCE: Final = socket.MSG_DONTWAIT
"""Tried first: what is there already, or has room, needs no clock."""
_FD_ROOM: Final = 8
"""How many descriptors are received, so that too many can be told from enough."""


class Kind(IntEnum):
    """What a frame is; the numbers are part of the wire."""

    REQUEST = 1
    RESULT = 2
    RUN = 3
    RAN = 4
    MISMATCH = 5
    TAKE_OVER = 6


class VersionMismatch(DecodeError):  # noqa: N818 - it is told to the other side, not only raised
    """The other side speaks another version of the wire."""

    slug = "wire-version"
    hint = "restart the daemon, so that it places its own shim again"

    def __init__(self, version: int, cause: str = "") -> None:
        """Keep the other side's version."""
        super().__init__(
            cause or f"shim speaks wire version {version}, the daemon version {WIRE_VERSION}"
        )
        self.version = version


class CallerGoneError(TryAgainError):
    """The other side hung up: nobody will read an answer."""


class Late(TryAgainError):  # noqa: N818 - a state of the caller, not a defect
    """The other side did not send its frame in time; nothing was begun."""


class Waiting(Protocol):
    """How long a read may still wait."""

    def left(self) -> float:
        """Return the seconds left; not more than zero ends the wait."""
        ...


class Deadline:
    """One moment, so many seconds from now."""

    def __init__(self, seconds: float) -> None:
        """Begin to count."""
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds left."""
        return self._end - time.monotonic()


class Reader:
    """A cursor over a payload; every step is bounded by what is left."""

    def __init__(self, payload: bytes) -> None:
        """Begin at the first byte."""
        self._payload = payload
        self._at = 0

    def number(self, width: int = 4) -> int:
        """Take a little-endian number."""
        return int.from_bytes(self._take(width), "little")

    def blob(self, limit: int = MAX_PAYLOAD) -> bytes:
        """Take a length and so many bytes."""
        size = self.number()
        if size > limit:
            raise DecodeError(f"the frame has a field of {size} bytes, the limit is {limit}")
        return self._take(size)

    def end(self) -> None:
        """Refuse bytes that nobody asked for."""
        if self._at != len(self._payload):
            raise DecodeError("the frame has bytes after its last field")

    def _take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._payload):
            raise DecodeError("the frame ends within a field")
        taken = self._payload[self._at : end]
        self._at = end
        return taken


def number(value: int, width: int = 4) -> bytes:
    """Return the bytes of a number."""
    return value.to_bytes(width, "little")


def blob(content: bytes) -> bytes:
    """Return a length and the bytes."""
    return _U32.pack(len(content)) + content


def frame(kind: Kind, payload: bytes, *, version: int = WIRE_VERSION) -> bytes:
    """Return a whole frame.

    Raises:
        DecodeError: the payload is longer than the other side reads.
    """
    if len(payload) > MAX_PAYLOAD:
        raise DecodeError(f"the answer has {len(payload)} bytes, the limit is {MAX_PAYLOAD}")
    return _HEADER.pack(_MAGIC, version, kind, len(payload)) + payload


def parse(content: bytes) -> tuple[int, bytes]:
    """Return kind and payload of a frame that is there as a whole (an entry of the spool).

    Raises:
        VersionMismatch: a release whose entries have another form wrote it.
        DecodeError: it is no frame, or not whole.
    """
    if len(content) < _HEADER.size:
        raise DecodeError("the frame is shorter than its header")
    version, kind, size = _header(content[: _HEADER.size])
    if version != SPOOL_VERSION:
        cause = f"entry of form {version}, this release reads form {SPOOL_VERSION}"
        raise VersionMismatch(version, cause)
    payload = content[_HEADER.size :]
    if len(payload) != size:
        raise DecodeError(f"the frame has {len(payload)} bytes, its header says {size}")
    return kind, payload


def receive(
    sock: socket.socket, waiting: Waiting, fds: list[int], *, limit: int = MAX_PAYLOAD
) -> tuple[int, bytes]:
    """Read one frame and return its kind and payload; its descriptors are added to `fds`.

    The caller closes `fds` whatever happens.

    Raises:
        CallerGoneError: the other side hung up before its first byte, or the connection broke.
        Late: the frame was not whole in time.
        VersionMismatch: the other side speaks another version.
        DecodeError: it is no frame, or too long, or carries too many descriptors.
    """
    with _timeout_kept(sock):
        header = _exactly(sock, _HEADER.size, waiting, fds)
        version, kind, size = _header(header)
        if version != WIRE_VERSION and not (kind == Kind.TAKE_OVER and size == 0):
            raise VersionMismatch(version)  # a successor of any version may ask for its place
        if size > limit:
            raise DecodeError(f"the frame has {size} bytes, the limit is {limit}")
        return kind, _exactly(sock, size, waiting, fds)


def send(sock: socket.socket, kind: Kind, payload: bytes, fds: Sequence[int] = ()) -> None:
    """Write one frame, with descriptors on its first byte.

    Raises:
        CallerGoneError: the other side hung up, or does not read.
        DecodeError: the payload is too long.
    """
    content = frame(kind, payload)
    try:
        if fds:
            content = content[socket.send_fds(sock, [content], list(fds)) :]
        content = content[_at_once(sock, content) :]
        if content:
            with _timeout_kept(sock):
                sock.settimeout(SEND_SECONDS)
                sock.sendall(content)
    except OSError as error:
        cause = error.strerror or "time-out"
        raise CallerGoneError(f"the caller went away: {cause}") from error


def _at_once(sock: socket.socket, content: bytes) -> int:
    """Write what there is room for, nearly always all of it, and return how much that was."""
    try:
        return sock.send(content, _AT_ONCE)
    except BlockingIOError:
        return 0


def close(fds: Iterable[int]) -> None:
    """Close descriptors."""
    for fd in fds:
        with contextlib.suppress(OSError):
            os.close(fd)


def _header(header: bytes) -> tuple[int, int, int]:
    """Return version, kind and the payload's size."""
    magic, version, kind, size = _HEADER.unpack(header)
    if magic != _MAGIC:
        raise DecodeError("the caller does not speak the shim's protocol")
    return version, kind, size


def _exactly(sock: socket.socket, size: int, waiting: Waiting, fds: list[int]) -> bytes:
    taken = bytearray()
    room = socket.CMSG_SPACE(_FD_ROOM * array.array("i").itemsize)
    while len(taken) < size:
        part, ancillary, flags = _some(sock, min(size - len(taken), _CHUNK), room, waiting)
        _gather(ancillary, fds)
        if flags & socket.MSG_CTRUNC or len(fds) > 2:
            raise DecodeError("the frame carries too many descriptors")
        if not part:
            if not taken:
                raise CallerGoneError("the caller hung up before its frame")
            raise DecodeError("the caller hung up within a frame")
        taken += part
    return bytes(taken)


def _some(
    sock: socket.socket, size: int, room: int, waiting: Waiting
) -> tuple[bytes, list[tuple[int, int, bytes]], int]:
    how: int = _AT_ONCE
    while (left := waiting.left()) > 0:
        if not how:
            sock.settimeout(left)
        try:
            part, ancillary, flags, _ = sock.recvmsg(size, room, how | socket.MSG_CMSG_CLOEXEC)
        except BlockingIOError:
            how = 0
            continue
        except TimeoutError:
            continue  # asked again: there may be more patience than there was
        except OSError as error:
            raise CallerGoneError(f"the caller went away: {error.strerror}") from error
        return part, ancillary, flags
    raise Late("the frame did not arrive in time")


def _gather(ancillary: list[tuple[int, int, bytes]], fds: list[int]) -> None:
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            found = array.array("i")
            found.frombytes(content[: len(content) - len(content) % found.itemsize])
            fds.extend(found)


@contextlib.contextmanager
def _timeout_kept(sock: socket.socket) -> Generator[None]:
    before = sock.gettimeout()
    try:
        yield
    finally:
        sock.settimeout(before)
