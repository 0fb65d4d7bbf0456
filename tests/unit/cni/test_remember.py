"""What short texts came to is remembered; long ones are read each time."""

from __future__ import annotations

import pytest

from polypod.cni import lists, remember
from polypod.errors import DecodeError


def _config(padding: int) -> bytes:
    return b'{"cniVersion":"1.0.0","name":"a","type":"bridge","x":"%s"}' % (b"y" * padding)


def test_a_short_text_is_read_once() -> None:
    config = _config(10)

    assert lists.parse_list(config) is lists.parse_list(bytes(bytearray(config)))


def test_a_long_text_is_not_kept() -> None:
    config = _config(remember.LIMIT)

    assert lists.parse_list(config) is not lists.parse_list(config)


def test_a_refusal_is_not_remembered_as_a_result() -> None:
    for _ in range(2):
        with pytest.raises(DecodeError):
            lists.parse_list(b"[]")


def test_the_other_arguments_count() -> None:
    @remember.if_short
    def joined(text: str, other: str) -> str:
        return text + other

    assert (joined("a", "b"), joined("a", "c")) == ("ab", "ac")
