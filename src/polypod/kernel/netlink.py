"""The rtnetlink codec and its socket: messages out, messages in, the kernel's words in errors.

Knows the layout of messages and nothing of what they mean; links.py and routes.py build them.
Attributes are bounds-checked: a length of zero, or beyond the message, ends the parse.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polypod.errors import KernelError

NLM_F_REQUEST, NLM_F_ACK, NLM_F_ECHO = 0x1, 0x4, 0x8
NLM_F_DUMP_INTR = 0x10
NLM_F_ROOT_MATCH = 0x300
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400
NLM_F_CAPPED, NLM_F_ACK_TLVS = 0x100, 0x200
NLMSG_ERROR, NLMSG_DONE = 2, 3
NESTED = 0x8000
TYPE_MASK = 0x3FFF
_EXT_ACK, _CAP_ACK, _STRICT = 11, 10, 12
_SOL_NETLINK, SO_NETNS_COOKIE = 270, 71
_ERR_MSG = 1
_DUMP_TRIES = 5
_BUFFER = 1 << 15
"""The kernel never makes a part of a dump longer than this."""

_header = struct.Struct("=IHHII")
_attr = struct.Struct("=HH")


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its type, flags and body (family header and attributes)."""

    type: int
    flags: int
    body: bytes


def attr(kind: int, payload: bytes) -> bytes:
    """Return one attribute, padded to four bytes."""
    return _attr.pack(len(payload) + 4, kind) + payload + b"\0" * (-len(payload) % 4)


def nest(kind: int, *inner: bytes) -> bytes:
    """Return a nested attribute."""
    return attr(kind | NESTED, b"".join(inner))


def u8(kind: int, value: int) -> bytes:
    """Return an attribute of one byte."""
    return attr(kind, struct.pack("=B", value))


def u16(kind: int, value: int) -> bytes:
    """Return an attribute of two bytes."""
    return attr(kind, struct.pack("=H", value))


def u32(kind: int, value: int) -> bytes:
    """Return an attribute of four bytes."""
    return attr(kind, struct.pack("=I", value))


def text(kind: int, value: str) -> bytes:
    """Return an attribute that is a string."""
    return attr(kind, value.encode() + b"\0")


def attributes(raw: bytes) -> dict[int, bytes]:
    """Return attributes by type, the last of each; a malformed rest is dropped."""
    return dict(each_attribute(raw))


def each_attribute(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload); stop at the first length that cannot be."""
    at = 0
    while at + 4 <= len(raw):
        length, kind = _attr.unpack_from(raw, at)
        if length < 4 or at + length > len(raw):
            return
        yield kind & TYPE_MASK, raw[at + 4 : at + length]
        at += (length + 3) & ~3


def messages(raw: bytes) -> Iterator[tuple[Message, int]]:
    """Yield (message, sequence number); stop at the first length that cannot be."""
    at = 0
    while at + 16 <= len(raw):
        length, kind, flags, sequence, _ = _header.unpack_from(raw, at)
        if length < 16 or at + length > len(raw):
            return
        yield Message(kind, flags, raw[at + 16 : at + length]), sequence
        at += (length + 3) & ~3


def reason(number: int) -> str:
    """Return the kernel's error in the words users know: `file exists`."""
    words = os.strerror(number)
    return words[:1].lower() + words[1:]


def _error(message: Message) -> KernelError | None:
    """Return the error an acknowledgement carries, with the extended text if there is one."""
    (code,) = struct.unpack_from("=i", message.body)
    if code == 0:
        return None
    cause = reason(-code)
    if message.flags & NLM_F_ACK_TLVS:
        (inner,) = struct.unpack_from("=I", message.body, 4)
        skip = 16 if message.flags & NLM_F_CAPPED else inner
        told = attributes(message.body[4 + skip :]).get(_ERR_MSG, b"")
        if told:
            return KernelError(
                cause, errno=-code, hint=f"the kernel says: {told.rstrip(bytes(1)).decode()}"
            )
    return KernelError(cause, errno=-code)


def _framed(message: Message, sequence: int, last: int) -> bytes:
    flags = message.flags | NLM_F_REQUEST | (NLM_F_ACK if sequence == last else 0)
    length = 16 + len(message.body)
    head = _header.pack(length, message.type, flags, sequence, 0)
    return head + message.body + bytes(-length % 4)


class Rtnetlink:
    """One rtnetlink socket; it speaks of the namespace it was opened in."""

    def __init__(self) -> None:
        """Open in the calling thread's network namespace."""
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )
        for option in (_EXT_ACK, _CAP_ACK, _STRICT):
            self._socket.setsockopt(_SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self._sequence = 0

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def fileno(self) -> int:
        """Return the descriptor, for socket options."""
        return self._socket.fileno()

    def cookie(self) -> int:
        """Return the kernel's number for the socket's namespace, unique within a boot."""
        try:
            raw = self._socket.getsockopt(socket.SOL_SOCKET, SO_NETNS_COOKIE, 8)
        except OSError:  # kernels before 5.14
            return 0
        return int.from_bytes(raw, "little")

    def many(self, wanted: Sequence[Message]) -> list[list[Message] | KernelError]:
        """Send messages in one go and return, for each, its answers or its error.

        Only the last one asks for an acknowledgement: the kernel takes them in order, reports
        every error, and has answered all others by then.
        """
        first = self._sequence + 1
        self._sequence += len(wanted)
        last = self._sequence
        self._send(
            b"".join(_framed(message, first + place, last) for place, message in enumerate(wanted))
        )
        answers: list[list[Message] | KernelError] = [[] for _ in wanted]
        is_answered = not wanted
        while not is_answered:
            for message, sequence in messages(self._socket.recv(_BUFFER)):
                place = sequence - first
                if not 0 <= place < len(wanted):
                    continue
                if message.type == NLMSG_ERROR:
                    is_answered = is_answered or sequence == last
                    error = _error(message)
                    if error is not None:
                        answers[place] = error
                else:
                    heard = answers[place]
                    if isinstance(heard, list):
                        heard.append(message)
        return answers

    def one(self, kind: int, flags: int, body: bytes) -> list[Message]:
        """Send one message and return its answers.

        Raises:
            KernelError: the kernel refused.
        """
        (answer,) = self.many((Message(kind, flags, body),))
        if isinstance(answer, KernelError):
            raise answer
        return answer

    def dump(self, kind: int, body: bytes) -> list[Message]:
        """Return every message of a dump; one that was interrupted by a change is repeated.

        Raises:
            KernelError: the kernel refused.
        """
        heard: list[Message] = []
        for _ in range(_DUMP_TRIES):
            heard, interrupted = self._dump_once(kind, body)
            if not interrupted:
                break
        return heard

    def _dump_once(self, kind: int, body: bytes) -> tuple[list[Message], bool]:
        self._sequence += 1
        flags = NLM_F_REQUEST | NLM_F_ROOT_MATCH
        self._send(_header.pack(16 + len(body), kind, flags, self._sequence, 0) + body)
        heard: list[Message] = []
        interrupted = False
        while True:
            for message, sequence in messages(self._socket.recv(_BUFFER)):
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(message.flags & NLM_F_DUMP_INTR)
                if message.type in {NLMSG_DONE, NLMSG_ERROR}:
                    error = _error(message) if len(message.body) >= 4 else None
                    if error is not None:
                        raise error
                    return heard, interrupted
                heard.append(message)

    def _send(self, raw: bytes) -> None:
        try:
            self._socket.send(raw)
        except OSError as error:
            raise KernelError(reason(error.errno or 0), errno=error.errno or 0) from error
