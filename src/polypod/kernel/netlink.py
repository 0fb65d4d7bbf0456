"""The rtnetlink codec and its socket: messages out, messages in, the kernel's words in errors.

Knows the layout of messages and nothing of what they mean; links.py and routes.py build them.
Lengths are checked: an attribute of length zero, or beyond its message, ends the parse; a message
of such a length is an error, and so is a wait that no answer ends.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import msgspec

from polypod.errors import KernelError, PolypodError, TryAgainError

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
_FAMILY, _PROTOCOL = int(socket.AF_NETLINK), socket.NETLINK_ROUTE
_TYPE = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
"""The kernel has answered when send() returns: what is not there then never comes."""
_DUMP_TRIES = 20
_AT_ONCE = 32
"""Messages in one send: their answers must fit into the socket's buffer."""
_BUFFER, _DUMP_BUFFER = 1 << 15, 1 << 17
"""A part of a dump is longer than 32 KiB if one link is: a bridge port with all VLANs."""
_NO_TURN: AbstractContextManager[None] = nullcontext()
"""For questions."""

_header = struct.Struct("=IHHII")
_attr = struct.Struct("=HH")
_attr_u32 = struct.Struct("=HHI")
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_code, _refused = struct.Struct("=i"), struct.Struct("=iI")


class Message(msgspec.Struct, frozen=True):
    """One message: its type, flags and body (family header and attributes)."""

    type: int
    flags: int
    body: bytes


def aligned(size: int) -> int:
    """Return where the next one begins."""
    return (size + 3) & ~3


def attr(kind: int, payload: bytes) -> bytes:
    """Return one attribute, padded to four bytes."""
    size = len(payload)
    return _attr.pack(size + 4, kind) + payload + _PADDING[size & 3]


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
    return _attr_u32.pack(8, kind, value)


def text(kind: int, value: str) -> bytes:
    """Return an attribute that is a string."""
    return attr(kind, value.encode() + b"\0")


def attributes(raw: bytes) -> dict[int, bytes]:
    """Return attributes by type, the last of each; a malformed rest is dropped."""
    return dict(each_attribute(raw))


def first(raw: bytes, wanted: int) -> bytes:
    """Return the first attribute of a type, empty when there is none; look no further."""
    at, end, unpack = 0, len(raw), _attr.unpack_from
    while at + 4 <= end:
        length, kind = unpack(raw, at)
        after = at + length
        if length < 4 or after > end:
            break
        if kind & TYPE_MASK == wanted:
            return raw[at + 4 : after]
        at = (after + 3) & ~3
    return b""


def each_attribute(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (type, payload); stop at the first length that cannot be."""
    at = 0
    while at + 4 <= len(raw):
        length, kind = _attr.unpack_from(raw, at)
        if length < 4 or at + length > len(raw):
            return
        yield kind & TYPE_MASK, raw[at + 4 : at + length]
        at += (length + 3) & ~3


def number(raw: bytes) -> int:
    """Return the number that a payload is, whatever its size."""
    return int.from_bytes(raw[:8], "little")


def head_at(raw: bytes, at: int) -> tuple[int, ...]:
    """Return length and type of the attribute that begins there, the type with its flags."""
    return _attr.unpack_from(raw, at)


def malformed(what: str) -> KernelError:
    """Return the error for bytes that no kernel sends."""
    return KernelError(f"the kernel's answer is malformed: {what}", hint=PolypodError.hint)


def unpacked(layout: struct.Struct, body: bytes) -> tuple[int, ...]:
    """Return the numbers a body begins with.

    Raises:
        KernelError: it is shorter.
    """
    if len(body) < layout.size:
        raise malformed(f"{len(body)} bytes where {layout.size} are the least")
    return layout.unpack_from(body)


def messages(raw: bytes) -> Iterator[tuple[Message, int]]:
    """Yield (message, sequence number).

    Raises:
        KernelError: a length cannot be.
    """
    at, end = 0, len(raw)
    while at < end:
        if end - at < _header.size:
            raise malformed(f"{end - at} bytes where {_header.size} are the least")
        length, kind, flags, sequence, _ = _header.unpack_from(raw, at)
        if length < 16 or at + length > end:
            raise malformed(f"a message of {length} bytes in {end - at}")
        yield Message(kind, flags, raw[at + 16 : at + length]), sequence
        at += (length + 3) & ~3


def reason(number: int) -> str:
    """Return the kernel's error in the words users know: `file exists`."""
    words = os.strerror(number) if 0 < number < 4096 else f"error {number}"
    return words[:1].lower() + words[1:]


def _error(message: Message) -> KernelError | None:
    """Return the error an acknowledgement carries, with the extended text if there is one."""
    (code,) = unpacked(_code, message.body)
    if code == 0:
        return None
    words = _extended(message) if message.flags & NLM_F_ACK_TLVS else ""
    hint = f"the kernel says: {words}" if words else None
    return KernelError(reason(-code), errno=-code, hint=hint)


def _extended(message: Message) -> str:
    """Return the kernel's own words: after the code, and after what was refused if it is there."""
    skip = 0  # the end of a dump repeats nothing
    if message.type == NLMSG_ERROR:
        skip = 16 if message.flags & NLM_F_CAPPED else unpacked(_refused, message.body)[1]
    told = attributes(message.body[4 + skip :]).get(_ERR_MSG, b"")
    return told.rstrip(b"\0").decode(errors="replace")


def _failed(error: OSError) -> KernelError:
    number = error.errno or 0
    return KernelError(f"netlink: {reason(number)}", errno=number)


def _is_question(message: Message) -> bool:
    """Tell whether a message is answered anyway: rtnetlink's types go NEW, DEL, GET, SET."""
    return message.type & 3 == 2


def _framed(message: Message, sequence: int, acknowledged: int) -> bytes:
    """Return a message as it is sent; one of them is to be acknowledged."""
    body, flags = message.body, message.flags | NLM_F_REQUEST
    if sequence == acknowledged:
        flags |= NLM_F_ACK
    size = len(body)
    return _header.pack(16 + size, message.type, flags, sequence, 0) + body + _PADDING[size & 3]


class Rtnetlink:
    """One rtnetlink socket; it speaks of the namespace it was opened in."""

    def __init__(self) -> None:
        """Open in the calling thread's network namespace."""
        self._socket = socket.socket(_FAMILY, _TYPE, _PROTOCOL)
        self._socket.setsockopt(_SOL_NETLINK, _EXT_ACK, 1)
        self._socket.setsockopt(_SOL_NETLINK, _CAP_ACK, 1)
        self._is_strict = False
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

    def many(
        self, wanted: Sequence[Message], turn: AbstractContextManager[None] = _NO_TURN
    ) -> list[list[Message] | KernelError]:
        """Send messages in one go and return, for each, its answers or its error.

        A refusal does not keep the kernel from those that follow. It does all of them before the
        send returns; `turn` is around that.

        Raises:
            KernelError: there is no answer, or one that cannot be read.
        """
        if len(wanted) <= _AT_ONCE:
            return self._exchange(wanted, turn) if wanted else []
        first = self._exchange(wanted[:_AT_ONCE], turn)
        return first + self.many(wanted[_AT_ONCE:], turn)

    def _exchange(
        self, wanted: Sequence[Message], turn: AbstractContextManager[None]
    ) -> list[list[Message] | KernelError]:
        """Send some messages and collect what they are answered.

        Only the last one asks for an acknowledgement, and not if it is a question: the kernel takes
        them in order, reports every error, and has answered all others by then.
        """
        first = self._sequence + 1
        self._sequence = last = self._sequence + len(wanted)
        is_question = _is_question(wanted[-1])
        acknowledged = 0 if is_question else last
        raw = b"".join([_framed(one, at, acknowledged) for at, one in enumerate(wanted, first)])
        with turn:
            self._send(raw)
        heard: list[list[Message]] = [[] for _ in wanted]
        errors: dict[int, KernelError] = {}
        is_answered = False
        while not is_answered:
            for message, sequence in messages(self._receive(_BUFFER)):
                if not first <= sequence <= last:
                    continue
                is_end = message.type == NLMSG_ERROR
                is_answered = is_answered or (sequence == last and (is_end or is_question))
                if not is_end:
                    heard[sequence - first].append(message)
                elif (error := _error(message)) is not None:
                    errors[sequence - first] = error
        return [errors.get(place) or answer for place, answer in enumerate(heard)]

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
            TryAgainError: it changed during every try.
        """
        for _ in range(_DUMP_TRIES):
            heard, interrupted = self._dump_once(kind, body)
            if not interrupted:
                return heard
        raise TryAgainError("the kernel's tables changed whenever they were read")

    def _dump_once(self, kind: int, body: bytes) -> tuple[list[Message], bool]:
        if not self._is_strict:  # without it, a dump with a wrong filter answers everything
            self._socket.setsockopt(_SOL_NETLINK, _STRICT, 1)
            self._is_strict = True
        self._sequence += 1
        flags = NLM_F_REQUEST | NLM_F_ROOT_MATCH
        self._send(_header.pack(16 + len(body), kind, flags, self._sequence, 0) + body)
        heard: list[Message] = []
        interrupted = False
        while True:
            for message, sequence in messages(self._receive(_DUMP_BUFFER)):
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
            raise _failed(error) from error

    def _receive(self, size: int) -> bytes:
        try:
            return self._socket.recv(size)
        except OSError as error:
            raise _failed(error) from error
