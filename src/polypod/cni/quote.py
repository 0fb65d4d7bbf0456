"""Text in double quotes as the reference's messages show it."""

from __future__ import annotations

from collections.abc import Iterable

_short = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def _sign(sign: str) -> str:
    if sign in _short:
        return _short[sign]
    if sign.isprintable():
        return sign
    number = ord(sign)
    if number < 0x80:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def quoted(text: str) -> str:
    """Return the text in double quotes, unprintable signs escaped."""
    return '"' + "".join(_sign(sign) for sign in text) + '"'


def quoted_list(texts: Iterable[str]) -> str:
    """Return `["a" "b"]`."""
    return "[" + " ".join(quoted(text) for text in texts) + "]"
