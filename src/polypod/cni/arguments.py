"""CNI_ARGS: `K=V;K2=V2`, strictly for plugins that name their keys, leniently for everybody else.

What a value means is decided by the plugin that knows the key.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType

from polypod.cni.quote import quoted, quoted_list
from polypod.errors import PluginError

IGNORE_UNKNOWN = "IgnoreUnknown"
_TRUE = ("1", "true")
_FALSE = ("0", "false")


def _split(text: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for piece in text.split(";"):
        parts = piece.split("=")
        if len(parts) != 2:
            raise PluginError(f"ARGS: invalid pair {quoted(piece)}")
        found.append((parts[0], parts[1]))
    return found


def _is_true(key: str, value: str) -> bool:
    if value.lower() in _TRUE:
        return True
    if value.lower() in _FALSE:
        return False
    raise value_error(key, value, "boolean unmarshal error: invalid input " + value)


def value_error(key: str, value: str, why: str) -> PluginError:
    """Return the error for a value that its key cannot take."""
    return PluginError(f"ARGS: error parsing value of pair {quoted(f'{key}={value}')}: {why}")


def parse(text: str, known: frozenset[str]) -> dict[str, str]:
    """Return the known keys; an empty text has none and is never an error.

    Raises:
        PluginError: a piece without exactly one `=`, or an unknown key without IgnoreUnknown.
    """
    if not text:
        return {}
    found: dict[str, str] = {}
    unknown: list[str] = []
    ignore = False
    for key, value in _split(text):
        if key == IGNORE_UNKNOWN:
            ignore = _is_true(key, value)
        elif key in known:
            found[key] = value
        else:
            unknown.append(f"{key}={value}")
    if unknown and not ignore:
        raise PluginError(f"ARGS: unknown args {quoted_list(unknown)}")
    return found


def pairs(text: str) -> tuple[tuple[str, str], ...]:
    """Return every pair in order, split at the first `=`; pieces without one are skipped."""
    found: list[tuple[str, str]] = []
    for piece in text.split(";"):
        key, sign, value = piece.partition("=")
        if sign:
            found.append((key, value))
    return tuple(found)


@lru_cache(maxsize=256)
def given(text: str) -> Mapping[str, str]:
    """Return every value by its key, that of the last pair where a key is repeated.

    Remembered: a call looks at its own arguments a dozen times.
    """
    return MappingProxyType(dict(pairs(text)))


def render(given: Iterable[tuple[str, str]]) -> str:
    """Return the pairs as CNI_ARGS, in the order given."""
    return ";".join(f"{key}={value}" for key, value in given)
