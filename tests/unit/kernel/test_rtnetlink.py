"""The rtnetlink socket, with the kernel's side played by a list of datagrams."""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterator
from typing import Any, cast

import pytest

from polypod.errors import KernelError, TryAgainError
from polypod.kernel import netlink
from polypod.kernel.netlink import Message, Rtnetlink

ACK, DONE, LINK, QUESTION = 2, 3, 16, 18
INTERRUPTED = netlink.NLM_F_DUMP_INTR


def datagram(kind: int, sequence: int, body: bytes, flags: int = 0) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, flags, sequence, 0) + body


def refusal(sequence: int, number: int, words: str = "") -> bytes:
    """Return what the kernel says to a refused message, with CAP_ACK set."""
    told = netlink.text(1, words) if words else b""
    flags = netlink.NLM_F_CAPPED | (netlink.NLM_F_ACK_TLVS if words else 0)
    return datagram(ACK, sequence, struct.pack("=i", -number) + bytes(16) + told, flags)


def acknowledged(sequence: int) -> bytes:
    return refusal(sequence, 0)


class Kernel:
    """Answers receive() with datagrams or errors, in order, and keeps what was sent."""

    def __init__(self, *answers: bytes | OSError) -> None:
        self._answers = list(answers)
        self.sent: list[bytes] = []

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Take a socket's options; they change nothing of what is played."""

    def send(self, raw: bytes) -> int:
        self.sent.append(raw)
        return len(raw)

    def recv(self, size: int) -> bytes:
        answer = self._answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer[:size]


@pytest.fixture
def socket() -> Iterator[Rtnetlink]:
    opened = Rtnetlink()
    yield opened
    opened.close()


def played(socket: Rtnetlink, *answers: bytes | OSError) -> Kernel:
    """Let a list of datagrams take the kernel's place."""
    socket._socket.close()
    kernel = Kernel(*answers)
    socket._socket = cast("Any", kernel)
    socket.close = lambda: None  # type: ignore[method-assign]
    return kernel


def test_each_refusal_belongs_to_its_message(socket: Rtnetlink) -> None:
    played(
        socket,
        datagram(LINK, 1, b"one."),
        refusal(2, errno.EEXIST, "taken already"),
        acknowledged(3),
    )

    first, second, third = socket.many([Message(LINK, 0, b"")] * 3)

    assert isinstance(first, list) and [message.body for message in first] == [b"one."]
    assert isinstance(second, KernelError)
    assert (second.cause, second.errno) == ("file exists", errno.EEXIST)
    assert second.hint == "the kernel says: taken already"
    assert third == []


def test_refusals_of_the_first_and_the_last_are_both_told(socket: Rtnetlink) -> None:
    played(socket, refusal(1, errno.EPERM) + refusal(3, errno.ENODEV))

    answers = socket.many([Message(LINK, 0, b"")] * 3)

    numbers = [answer.errno if isinstance(answer, KernelError) else 0 for answer in answers]
    assert numbers == [errno.EPERM, 0, errno.ENODEV]


def test_an_answered_question_is_not_acknowledged_as_well(socket: Rtnetlink) -> None:
    kernel = played(socket, datagram(LINK, 2, b"told"))

    answers = socket.many([Message(LINK, 0, b""), Message(QUESTION, 0, b"")])

    assert answers == [[], [Message(LINK, 0, b"told")]]
    ((_, flags),) = [(m.type, m.flags) for m, at in netlink.messages(kernel.sent[0]) if at == 2]
    assert not flags & netlink.NLM_F_ACK


def test_a_refused_question_is_an_error(socket: Rtnetlink) -> None:
    played(socket, refusal(1, errno.ENODEV))

    with pytest.raises(KernelError, match="no such device"):
        socket.one(QUESTION, 0, b"")


def test_answers_to_an_earlier_question_are_passed_over(socket: Rtnetlink) -> None:
    played(socket, datagram(LINK, 77, b"late"), acknowledged(1))

    assert socket.one(LINK, 0, b"") == []


def test_many_messages_go_in_sends_that_the_buffer_can_answer(socket: Rtnetlink) -> None:
    kernel = played(socket, acknowledged(32), acknowledged(64), refusal(70, errno.EEXIST))

    answers = socket.many([Message(LINK, 0, b"")] * 70)

    assert [len(sent) // 16 for sent in kernel.sent] == [32, 32, 6]
    assert len(answers) == 70 and isinstance(answers[-1], KernelError)


def test_nothing_to_send_is_not_sent(socket: Rtnetlink) -> None:
    kernel = played(socket)

    assert socket.many([]) == [] and kernel.sent == []


def test_a_dump_that_was_interrupted_is_repeated(socket: Rtnetlink) -> None:
    played(
        socket,
        datagram(LINK, 1, b"gone") + datagram(LINK, 1, b"here", INTERRUPTED),
        datagram(DONE, 1, bytes(4), INTERRUPTED),
        datagram(LINK, 2, b"here"),
        datagram(DONE, 2, bytes(4)),
    )

    assert [message.body for message in socket.dump(LINK, b"")] == [b"here"]


def test_a_dump_that_is_always_interrupted_is_to_be_tried_again(socket: Rtnetlink) -> None:
    tries = [datagram(DONE, number, bytes(4), INTERRUPTED) for number in range(1, 100)]
    kernel = played(socket, *tries)

    with pytest.raises(TryAgainError, match="changed whenever they were read"):
        socket.dump(LINK, b"")

    assert len(kernel.sent) == netlink._DUMP_TRIES


@pytest.mark.parametrize("kind", [ACK, DONE])
def test_a_dump_that_is_refused_raises(socket: Rtnetlink, kind: int) -> None:
    played(socket, datagram(kind, 1, struct.pack("=i", -errno.EINVAL) + bytes(16)))

    with pytest.raises(KernelError, match="invalid argument"):
        socket.dump(LINK, b"")


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (OSError(errno.ENOBUFS, "full"), "netlink: no buffer space available"),
        (BlockingIOError(errno.EAGAIN, "late"), "netlink: resource temporarily unavailable"),
        (b"\x01\x00\x00\x00", "malformed"),
        (datagram(ACK, 1, b"\0"), "malformed"),
        (struct.pack("=IHHII", 4096, ACK, 0, 1, 0), "malformed"),
    ],
    ids=["buffer full", "no answer", "too short", "short acknowledgement", "longer than it is"],
)
def test_what_cannot_be_read_is_an_error_with_a_cause(
    socket: Rtnetlink, answer: bytes | OSError, cause: str
) -> None:
    played(socket, answer)

    with pytest.raises(KernelError, match=cause):
        socket.one(LINK, 0, b"")
