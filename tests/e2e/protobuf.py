"""As much of the protocol-buffer encoding as the CRI's messages need: numbers, text, messages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import TypeAlias

Value: TypeAlias = int | str | bytes
Fields: TypeAlias = dict[int, list[int | bytes]]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5


def render(*fields: tuple[int, Value]) -> bytes:
    """Return a message of (field number, value); a nested message is its bytes."""
    return b"".join(_field(number, value) for number, value in fields)


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    content = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | _LENGTH) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse(message: bytes) -> Fields:
    """Return every field's values by its number, in order."""
    found: Fields = defaultdict(list)
    for number, value in _walk(message):
        found[number].append(value)
    return found


def text(fields: Fields, number: int) -> str:
    """Return a string field, empty when it is absent (its default)."""
    value = fields[number][-1] if fields.get(number) else b""
    assert isinstance(value, bytes)
    return value.decode()


def _walk(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        match key & 7:
            case 0:
                number, at = _read_varint(message, at)
                yield key >> 3, number
            case 1 | 5 as kind:
                width = 8 if kind == _FIXED64 else 4
                yield key >> 3, int.from_bytes(message[at : at + width], "little")
                at += width
            case 2:
                size, at = _read_varint(message, at)
                yield key >> 3, message[at : at + size]
                at += size
            case kind:
                raise ValueError(f"wire type {kind}")


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
