"""Laws of the wire: what is written is read again, and hostile bytes are only ever refused."""

from __future__ import annotations

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypod.daemon import frames
from polypod.daemon.frames import CallerGoneError, Deadline, Kind
from polypod.daemon.wire import (
    WireRequest,
    parse_ran,
    parse_spooled,
    receive_request,
    render_request,
    render_spooled,
)
from polypod.errors import DecodeError

HEADER = 12
raw = st.binary(max_size=60)
words = raw.map(lambda b: b.decode("utf-8", "surrogateescape"))
names = st.from_regex(r"\ACNI_[A-Z]{0,8}\Z")
requests = st.builds(
    WireRequest,
    argv0=words,
    environment=st.dictionaries(names, words, max_size=5),
    stdin=raw,
    started=st.integers(0, 2**64 - 1),
)


@given(requests)
def test_a_request_survives_the_spool(request: WireRequest) -> None:
    assert parse_spooled(render_spooled(request)) == request


@given(requests, st.data())
def test_a_cut_request_is_refused(request: WireRequest, data: st.DataObject) -> None:
    content = render_spooled(request)
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(DecodeError):
        parse_spooled(content[:cut])


@given(requests, st.integers(0, 1 << 16), st.integers(1, 255))
def test_a_changed_byte_never_breaks_the_reader(request: WireRequest, at: int, by: int) -> None:
    content = bytearray(render_spooled(request))
    content[at % len(content)] ^= by
    with contextlib.suppress(DecodeError):
        parse_spooled(bytes(content))


@given(raw)
def test_hostile_payloads_raise_only_decode_errors(payload: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_ran(payload)
    with contextlib.suppress(DecodeError):
        parse_spooled(frames.frame(Kind.REQUEST, payload, version=frames.SPOOL_VERSION))


@given(st.one_of(raw, requests.map(render_request), requests.map(lambda r: render_request(r)[:-1])))
def test_hostile_streams_raise_only_what_is_declared(stream: bytes) -> None:
    left, right = socket.socketpair()
    with right:
        with left:
            left.sendall(stream)
        with contextlib.suppress(DecodeError, CallerGoneError):
            request = receive_request(right, Deadline(5))
            assert request is not None and stream == render_request(request)
