"""JSON as the reference plugins print it: four spaces, HTML signs escaped, no newline at the end.

Which keys appear, and in which order, is decided by the callers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import cast

import msgspec

from polypod.errors import DecodeError

_surrogates = re.compile("[\ud800-\udfff]")


def _finish(text: str) -> bytes:
    text = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    text = text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    return _surrogates.sub("\ufffd", text).encode()


def pretty(value: Mapping[str, object]) -> bytes:
    """Encode with four spaces of indent, keys in the order given."""
    try:
        text = msgspec.json.format(msgspec.json.encode(value), indent=4).decode()
    except (UnicodeError, TypeError, ValueError):  # half a surrogate pair, a number beyond 64 bits
        text = json.dumps(value, indent=4, ensure_ascii=False)
    return _finish(text)


def compact(value: Mapping[str, object]) -> bytes:
    """Encode without white space, keys sorted, whole floats as integers.

    Raises:
        DecodeError: a number that JSON cannot hold, or nesting beyond reason.
    """
    try:
        plain = _whole(value)
        return _finish(
            json.dumps(
                plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
            )
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise DecodeError(f"cannot encode the configuration: {error}") from error


def _whole(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    if isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return {key: _whole(member) for key, member in table.items()}
    if isinstance(value, list | tuple):
        return [_whole(member) for member in cast("list[object]", value)]
    return value
