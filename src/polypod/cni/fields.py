"""JSON as the reference systems read it: how a key is found and what its value may be.

Go's decoder matches keys without regard to case (an exact match is preferred), takes null for
absent and lets the last duplicate win. Users rely on it, so every room that reads JSON comes here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from polypod.errors import DecodeError

UNSIGNED_MAX = (1 << 32) - 1
type_names: dict[type[object], str] = {
    str: "string",
    bool: "boolean",
    int: "number",
    dict: "object",
    list: "list",
}


def decode_object(raw: bytes, what: str) -> dict[str, object]:
    """Decode a JSON object; `what` names it in the error.

    Raises:
        DecodeError: not JSON, or JSON that is not an object.
    """
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"{what}: {error}") from error
    if not isinstance(value, dict):
        raise DecodeError(f"{what}: a JSON object is expected")
    return cast("dict[str, object]", value)


def name_of(mapping: Mapping[str, object], key: str) -> str | None:
    """Return the key under which Go's decoder would find `key`, None when there is none."""
    if key in mapping:
        return key
    folded, length = key.casefold(), len(key)
    found: str | None = None
    for name in mapping:
        if len(name) == length and name.casefold() == folded:
            found = name
    return found


def get(mapping: Mapping[str, object], key: str) -> object:
    """Return the value under key as Go's decoder would find it; None when absent or null."""
    name = name_of(mapping, key)
    return None if name is None else mapping[name]


def _wrong(key: str, value: object, wanted: str) -> DecodeError:
    got = type_names.get(type(value), "number")
    return DecodeError(f"{key}: a {wanted} is expected, got a {got}")


def text(mapping: Mapping[str, object], key: str, default: str = "") -> str:
    """Return a string; the default when absent or null.

    Raises:
        DecodeError: another JSON type.
    """
    value = get(mapping, key)
    if value is None:
        return default
    if not isinstance(value, str):
        raise _wrong(key, value, "string")
    return _plain(key, value)


def _plain(key: str, value: str) -> str:
    """Refuse a NUL: names and paths end at one, so the kernel would see another text than we."""
    if "\0" in value:
        raise DecodeError(f"{key}: a text without NUL is expected")
    return value


def flag(mapping: Mapping[str, object], key: str, *, default: bool = False) -> bool:
    """Return a boolean; the default when absent or null.

    Raises:
        DecodeError: another JSON type.
    """
    value = get(mapping, key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise _wrong(key, value, "boolean")
    return value


def number(mapping: Mapping[str, object], key: str) -> int | None:
    """Return an integer, None when absent or null; 1500.0 counts as Go's decoder refuses it.

    Raises:
        DecodeError: another JSON type, or a fraction.
    """
    value = get(mapping, key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise _wrong(key, value, "number without fraction")
    return value


def unsigned(mapping: Mapping[str, object], key: str) -> int | None:
    """Return an integer that the kernel can be told, 0 to 2^32-1; None when absent or null.

    Raises:
        DecodeError: another JSON type, a fraction, or out of range.
    """
    value = number(mapping, key)
    if value is not None and not 0 <= value <= UNSIGNED_MAX:
        raise DecodeError(f"{key}: {value} is out of range")
    return value


def table(mapping: Mapping[str, object], key: str) -> Mapping[str, object] | None:
    """Return an object, None when absent or null.

    Raises:
        DecodeError: another JSON type.
    """
    value = get(mapping, key)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _wrong(key, value, "object")
    return cast("Mapping[str, object]", value)


def items(mapping: Mapping[str, object], key: str) -> tuple[object, ...] | None:
    """Return a list as a tuple, None when absent or null.

    Raises:
        DecodeError: another JSON type.
    """
    value = get(mapping, key)
    if value is None:
        return None
    if not isinstance(value, list):
        raise _wrong(key, value, "list")
    return tuple(cast("list[object]", value))


def texts(mapping: Mapping[str, object], key: str) -> tuple[str, ...]:
    """Return a list of strings, empty when absent or null.

    Raises:
        DecodeError: another JSON type.
    """
    found = items(mapping, key) or ()
    for value in found:
        if not isinstance(value, str):
            raise _wrong(key, value, "string")
        _plain(key, value)
    return cast("tuple[str, ...]", found)


def objects(mapping: Mapping[str, object], key: str) -> tuple[Mapping[str, object], ...] | None:
    """Return a list of objects, None when absent or null.

    Raises:
        DecodeError: another JSON type.
    """
    found = items(mapping, key)
    if found is None:
        return None
    for value in found:
        if not isinstance(value, dict):
            raise _wrong(key, value, "object")
    return cast("tuple[Mapping[str, object], ...]", found)
