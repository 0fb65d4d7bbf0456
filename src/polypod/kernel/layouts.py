"""Attributes that are found where an earlier message had them, without a walk through all.

The kernel describes like links alike: the same attributes, of the same lengths, in the same order.
So a walk through a link's hundred attributes gives a layout. The next message fits it if each of
its heads is the same; one call sees to that, where a walk takes a hundred turns.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import TypeAlias

import msgspec

from polypod.kernel import netlink

Path: TypeAlias = tuple[int, ...]
"""The type of an attribute, after the types of those that it is nested in."""
Values: TypeAlias = tuple[tuple[int, ...], tuple[bytes, ...]]
"""Numbers and payloads, in the order of the paths that were asked for; 0 and b"" for none."""

_OF_ONE_LENGTH, _LENGTHS = 8, 256
"""How much is remembered; the links of a node come in a few dozen layouts."""
_NUMBERS = {1: "B", 2: "H", 4: "I", 8: "Q"}


class _Attribute(msgspec.Struct, frozen=True):
    path: Path
    at: int
    payload: bytes


class _Layout(msgspec.Struct, frozen=True):
    """Where things are in messages whose heads (length and type of each) are these."""

    heads: tuple[int, ...]
    all_heads: struct.Struct
    numbers: struct.Struct
    sort_numbers: Callable[[tuple[int, ...]], tuple[int, ...]]
    payloads: struct.Struct
    sort_payloads: Callable[[tuple[bytes, ...]], tuple[bytes, ...]]


class Layouts:
    """Reads certain attributes; of a type that comes twice it is the last."""

    def __init__(self, *, numbers: Sequence[Path], payloads: Sequence[Path]) -> None:
        """Know no layout yet; two paths of each kind are the least."""
        self._numbers = numbers
        self._payloads = payloads
        self._nests = {
            path[:depth] for path in (*numbers, *payloads) for depth in range(1, len(path))
        }
        self._known: dict[int, tuple[_Layout, ...]] = {}

    def read(self, raw: bytes) -> Values:
        """Return what is wanted of attributes; a malformed rest is dropped."""
        for known in self._known.get(len(raw), ()):
            if known.all_heads.unpack(raw) == known.heads:
                return (
                    known.sort_numbers((*known.numbers.unpack(raw), 0)),
                    known.sort_payloads((*known.payloads.unpack(raw), b"")),
                )
        return self._walk(raw)

    def _walk(self, raw: bytes) -> Values:
        attributes = list(self._each(raw, 0, ()))
        self._learn(raw, attributes)
        found = {one.path: one.payload for one in attributes}
        return (
            tuple(netlink.number(found.get(path, b"")) for path in self._numbers),
            tuple(found.get(path, b"") for path in self._payloads),
        )

    def _each(self, raw: bytes, at: int, above: Path) -> Iterator[_Attribute]:
        """Yield every attribute, those of a nest after it."""
        for kind, payload in netlink.each_attribute(raw):
            path = (*above, kind)
            yield _Attribute(path, at, payload)
            if path in self._nests:
                yield from self._each(payload, at + 4, path)
            at += netlink.aligned(4 + len(payload))

    def _learn(self, raw: bytes, attributes: Sequence[_Attribute]) -> None:
        """Remember where things are, unless there is more or other than there should be."""
        nests = (raw, *(one.payload for one in attributes if one.path in self._nests))
        numbers = [one for one in attributes if one.path in self._numbers]
        payloads = [one for one in attributes if one.path in self._payloads]
        if not all(map(_is_whole, nests)) or any(len(n.payload) not in _NUMBERS for n in numbers):
            return
        layout = _Layout(
            heads=tuple(n for one in attributes for n in netlink.head_at(raw, one.at)),
            all_heads=_unpacking([(one.at, "HH") for one in attributes], raw),
            numbers=_unpacking([(n.at + 4, _NUMBERS[len(n.payload)]) for n in numbers], raw),
            sort_numbers=_sorting(numbers, self._numbers),
            payloads=_unpacking([(p.at + 4, f"{len(p.payload)}s") for p in payloads], raw),
            sort_payloads=_sorting(payloads, self._payloads),
        )
        if len(self._known) >= _LENGTHS:
            self._known.clear()
        others = self._known.get(len(raw), ())
        self._known[len(raw)] = (layout, *others[: _OF_ONE_LENGTH - 1])


def _is_whole(raw: bytes) -> bool:
    """Tell whether nothing is left over that may be an attribute in the next message."""
    sizes = (netlink.aligned(4 + len(payload)) for _, payload in netlink.each_attribute(raw))
    return sum(sizes) == len(raw)


def _unpacking(places: Sequence[tuple[int, str]], raw: bytes) -> struct.Struct:
    """Return what unpacks the values at some places, and skips the rest."""
    text, at = "=", 0
    for place, code in places:
        text += f"{place - at}x{code}"
        at = place + struct.calcsize(f"={code}")
    return struct.Struct(f"{text}{len(raw) - at}x")


def _sorting(found: Sequence[_Attribute], wanted: Sequence[Path]) -> itemgetter[tuple[int, ...]]:
    """Return what puts found values into the wanted order; after them comes that for none."""
    places = {one.path: place for place, one in enumerate(found)}
    return itemgetter(*(places.get(path, len(found)) for path in wanted))
