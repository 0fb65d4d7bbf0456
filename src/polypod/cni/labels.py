"""The CNI versions spoken, as text, and how two of them compare.

Imports nothing, so that answering VERSION costs no more than starting the interpreter.
"""

from __future__ import annotations

ALL_VERSIONS: tuple[str, ...] = ("0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")
OLDEST = ALL_VERSIONS[0]
NEWEST = ALL_VERSIONS[-1]
FLAT_VERSIONS = ("0.1.0", "0.2.0")
MIDDLE_VERSIONS = ("0.3.0", "0.3.1", "0.4.0")


def numbers(version: str) -> tuple[int, int, int] | None:
    """Return major, minor and micro; None when the text is not a version."""
    parts = version.split(".")
    if not 1 <= len(parts) <= 3:
        return None
    if not all(part.isascii() and part.isdigit() and len(part) <= 9 for part in parts):
        return None
    found = [int(part) for part in parts] + [0, 0]
    return found[0], found[1], found[2]
