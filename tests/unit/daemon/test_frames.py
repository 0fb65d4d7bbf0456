"""Frames that are refused, and what they leave behind: nothing."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time

import pytest

from polypod.daemon import frames
from polypod.daemon.frames import CallerGoneError, Deadline, Kind, Late, VersionMismatch
from polypod.daemon.patience import Patience
from polypod.daemon.wire import (
    MAX_REQUEST,
    WireRequest,
    parse_spooled,
    receive_request,
    render_request,
    render_spooled,
)
from polypod.errors import DecodeError

PLAIN = render_request(WireRequest(argv0="p", environment={}, stdin=b""))


def with_mask(mask: int) -> bytes:
    return PLAIN[:12] + struct.pack("<I", mask) + PLAIN[16:]


@pytest.mark.parametrize(("mask", "count"), [(0, 1), (1, 2), (3, 1), (3, 3), (4, 1), (3, 20)])
def test_a_refused_frame_leaves_no_descriptor_open(mask: int, count: int) -> None:
    left, right = socket.socketpair()
    with left, right, open("/dev/null") as null:
        before = len(os.listdir("/proc/self/fd"))
        socket.send_fds(left, [with_mask(mask)], [null.fileno()] * count)

        with pytest.raises(DecodeError):
            receive_request(right, Deadline(5))

        assert len(os.listdir("/proc/self/fd")) == before


def test_descriptors_that_come_with_a_later_byte_are_closed_too() -> None:
    left, right = socket.socketpair()
    with left, right, open("/dev/null") as null:
        before = len(os.listdir("/proc/self/fd"))
        left.sendall(PLAIN[:20])
        socket.send_fds(left, [PLAIN[20:]], [null.fileno()])

        with pytest.raises(DecodeError):
            receive_request(right, Deadline(5))

        assert len(os.listdir("/proc/self/fd")) == before


def test_descriptors_are_handed_on_in_order_and_close_on_exec() -> None:
    left, right = socket.socketpair()
    with left, right, open("/dev/null") as one, open("/dev/zero") as two:
        socket.send_fds(left, [with_mask(3)], [one.fileno(), two.fileno()])

        request = receive_request(right, Deadline(5))

        assert request is not None and request.netns_fd is not None
        assert request.host_fd is not None and not os.get_inheritable(request.host_fd)
        assert os.path.sameopenfile(request.netns_fd, one.fileno())
        assert os.readlink(f"/proc/self/fd/{request.host_fd}") == "/dev/zero"
        request.close()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"PLYP", "hung up within"),
        (b"X" * 12, "does not speak"),
        (struct.pack("<4sHHI", b"PLYP", 1, 1, MAX_REQUEST + 1), "the limit is"),
        (b"PLYP\1\0\1\0\x09\0\0\0a", "hung up within"),
        (frames.frame(Kind.RESULT, b""), "of kind 2"),
        (frames.frame(Kind.TAKE_OVER, b"x"), "of kind 6"),
        (frames.frame(Kind.REQUEST, PLAIN[12:] + b"x"), "after its last field"),
        (frames.frame(Kind.REQUEST, b"\0" * 12 + b"\xff\xff\xff\xff"), "the limit is"),
    ],
)
def test_a_broken_frame_is_refused(content: bytes, says: str) -> None:
    left, right = socket.socketpair()
    with right:
        with left:
            left.sendall(content)
        with pytest.raises(DecodeError, match=says):
            receive_request(right, Deadline(5))


def test_another_version_is_recognised_by_the_header_alone() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(struct.pack("<4sHHI", b"PLYP", 2, 1, 5))
        with pytest.raises(VersionMismatch) as raised:
            receive_request(right, Deadline(5))
        assert raised.value.version == 2


def test_what_a_shim_kept_is_read_by_a_release_with_another_wire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = render_spooled(WireRequest(argv0="p", environment={}, stdin=b""))
    monkeypatch.setattr(frames, "WIRE_VERSION", 2)

    assert parse_spooled(kept).argv0 == "p"


def test_an_entry_of_another_form_is_told_from_a_damaged_one() -> None:
    with pytest.raises(VersionMismatch, match="entry of form 9, this release reads form 1"):
        parse_spooled(PLAIN[:4] + b"\x09\x00" + PLAIN[6:])


@pytest.mark.parametrize("version", [0, 2])
def test_a_successor_of_any_version_may_ask_for_the_place(version: int) -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(struct.pack("<4sHHI", b"PLYP", version, Kind.TAKE_OVER, 0))

        assert receive_request(right, Deadline(5)) is None


def test_a_caller_that_hung_up_at_once_is_told_from_a_broken_frame() -> None:
    left, right = socket.socketpair()
    left.close()
    with right, pytest.raises(CallerGoneError):
        receive_request(right, Deadline(5))


def test_an_answer_that_nobody_reads_is_an_error() -> None:
    left, right = socket.socketpair()
    left.close()
    with right, pytest.raises(CallerGoneError):
        frames.send(right, Kind.RESULT, b"x")


def test_only_so_many_slow_callers_are_waited_for() -> None:
    patience = Patience(2, brief_s=0.05, long_s=1.0)
    took: list[float] = []

    def wait() -> None:
        left, right = socket.socketpair()
        started = time.monotonic()
        with left, right, patience.one() as waiting, pytest.raises(Late):
            receive_request(right, waiting)
        took.append(time.monotonic() - started)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sum(seconds >= 1.0 for seconds in took) == 2
    assert sum(seconds < 0.9 for seconds in took) == 6


def test_a_place_for_a_slow_caller_is_given_back() -> None:
    patience = Patience(1, brief_s=0.01, long_s=0.1)
    for _ in range(2):
        started = time.monotonic()
        left, right = socket.socketpair()
        with left, right, patience.one() as waiting, pytest.raises(Late):
            receive_request(right, waiting)
        assert time.monotonic() - started >= 0.1


def test_a_slow_caller_is_served_while_there_is_a_place() -> None:
    patience = Patience(1, brief_s=0.01, long_s=20)
    left, right = socket.socketpair()
    with left, right:
        left.sendall(PLAIN[:7])
        timer = threading.Timer(0.1, left.sendall, (PLAIN[7:],))
        timer.start()

        with patience.one() as waiting:
            request = receive_request(right, waiting)

        timer.join()
        assert request is not None and request.argv0 == "p"
