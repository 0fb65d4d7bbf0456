"""The protocol-buffer reader against its writer, and against messages written by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypod.errors import DecodeError
from polypod.kube import protobuf

numbers = st.integers(1, (1 << 29) - 1)
values = st.one_of(st.integers(0, (1 << 64) - 1), st.binary(max_size=40))


@given(st.lists(st.tuples(numbers, values), max_size=12))
def test_what_is_written_is_read(fields: list[tuple[int, int | bytes]]) -> None:
    wanted: dict[int, list[int | bytes]] = {}
    for number, value in fields:
        wanted.setdefault(number, []).append(value)

    assert protobuf.parse(protobuf.render(*fields)) == wanted


@given(st.lists(st.text(), max_size=5))
def test_texts_are_read_in_order(texts: list[str]) -> None:
    message = protobuf.parse(protobuf.render(*((7, text) for text in texts)))

    assert protobuf.texts(message, 7) == texts
    assert protobuf.text(message, 7) == (texts[-1] if texts else "")


@given(st.lists(st.tuples(numbers, values), min_size=1, max_size=5), st.data())
def test_a_message_that_is_cut_off_is_refused_or_ends_at_a_field(
    fields: list[tuple[int, int | bytes]], data: st.DataObject
) -> None:
    whole = protobuf.render(*fields)
    part = whole[: data.draw(st.integers(0, len(whole) - 1))]

    try:
        read = sum(len(found) for found in protobuf.parse(part).values())
    except DecodeError:
        return
    assert part == protobuf.render(*fields[:read])


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        pytest.param(b"\x08\x96\x01", {1: [150]}, id="150 in field 1, of the encoding's own guide"),
        pytest.param(b"\x12\x07testing", {2: [b"testing"]}, id="testing in field 2"),
        pytest.param(b"\x0d\x01\x00\x00\x00\x11" + bytes(8), {1: [1], 2: [0]}, id="fixed width"),
        pytest.param(b"\x08" + b"\xff" * 9 + b"\x01", {1: [(1 << 64) - 1]}, id="minus one"),
        pytest.param(b"", {}, id="empty"),
    ],
)
def test_messages_written_by_hand(raw: bytes, wanted: dict[int, Any]) -> None:
    assert protobuf.parse(raw) == wanted


def test_minus_one_is_written_in_two_complements() -> None:
    assert protobuf.render((1, -1)) == b"\x08" + b"\xff" * 9 + b"\x01"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"\x0b", id="group"),
        pytest.param(b"\x0f", id="wire type 7"),
        pytest.param(b"\x00\x01", id="field 0"),
        pytest.param(b"\x08" + b"\xff" * 11, id="a number without end"),
        pytest.param(b"\x12\xff\xff\xff\xff\x0f", id="longer than there is"),
        pytest.param(b"\x0d\x01", id="fixed width, cut off"),
    ],
)
def test_what_is_no_message_is_refused(raw: bytes) -> None:
    with pytest.raises(DecodeError):
        protobuf.parse(raw)


def test_a_field_of_another_kind_is_refused() -> None:
    fields = protobuf.parse(protobuf.render((1, 5), (2, b"\xff")))

    for read in (protobuf.texts, protobuf.messages, protobuf.contents):
        with pytest.raises(DecodeError):
            read(fields, 1)
    with pytest.raises(DecodeError):
        protobuf.text(fields, 2)
    with pytest.raises(DecodeError):
        protobuf.number(fields, 2)
    assert (protobuf.number(fields, 1), protobuf.number(fields, 9)) == (5, 0)
