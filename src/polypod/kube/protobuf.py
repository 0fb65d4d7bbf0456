"""As much of the protocol-buffer encoding as the kubelet's and the runtime's messages need.

Numbers, text and nested messages, by field number. A message that ends too early, or that has what
nobody sends any more (groups), is refused; which fields mean what is decided by the callers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from polypod.errors import DecodeError

Value: TypeAlias = int | str | bytes
Fields: TypeAlias = dict[int, list[int | bytes]]
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_WIDTHS = {_FIXED64: 8, _FIXED32: 4}
_MAX_VARINT_BYTES = 10
_MASK = (1 << 64) - 1


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
    value &= _MASK  # negative numbers are sent in two's complement
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def parse(message: bytes) -> Fields:
    """Return every field's values by its number, in order.

    Raises:
        DecodeError: it is no message.
    """
    found: Fields = {}
    for number, value in _walk(message):
        found.setdefault(number, []).append(value)
    return found


def text(fields: Fields, number: int) -> str:
    """Return a string field, the last one when it is repeated, empty when it is absent.

    Raises:
        DecodeError: it is no text.
    """
    found = texts(fields, number)
    return found[-1] if found else ""


def texts(fields: Fields, number: int) -> list[str]:
    """Return a repeated string field.

    Raises:
        DecodeError: one of them is no text.
    """
    try:
        return [content.decode() for content in contents(fields, number)]
    except UnicodeDecodeError as error:
        raise DecodeError(f"protocol buffer: field {number} is not UTF-8") from error


def messages(fields: Fields, number: int) -> list[Fields]:
    """Return a repeated message field.

    Raises:
        DecodeError: one of them is no message.
    """
    return [parse(content) for content in contents(fields, number)]


def number(fields: Fields, number: int) -> int:
    """Return a number field, 0 when it is absent.

    Raises:
        DecodeError: it is no number.
    """
    value = fields[number][-1] if number in fields else 0
    if not isinstance(value, int):
        raise DecodeError(f"protocol buffer: field {number} is no number")
    return value


def contents(fields: Fields, number: int) -> list[bytes]:
    """Return a repeated field of bytes.

    Raises:
        DecodeError: one of them is a number.
    """
    found: list[bytes] = []
    for value in fields.get(number, ()):
        if isinstance(value, int):
            raise DecodeError(f"protocol buffer: field {number} is a number")
        found.append(value)
    return found


def _walk(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(message):
        key, at = _read_varint(message, at)
        field, kind = key >> 3, key & 7
        if field == 0:
            raise DecodeError("protocol buffer: field 0")
        if kind == _VARINT:
            value, at = _read_varint(message, at)
            yield field, value
            continue
        if kind == _LENGTH:
            size, at = _read_varint(message, at)
        elif kind in _WIDTHS:
            size = _WIDTHS[kind]
        else:
            raise DecodeError(f"protocol buffer: wire type {kind}")
        if size > len(message) - at:
            raise DecodeError("protocol buffer: cut off")
        content, at = message[at : at + size], at + size
        yield field, content if kind == _LENGTH else int.from_bytes(content, "little")


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(_MAX_VARINT_BYTES):
        if at >= len(message):
            raise DecodeError("protocol buffer: cut off")
        byte, at = message[at], at + 1
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value & _MASK, at
    raise DecodeError("protocol buffer: a number without end")
