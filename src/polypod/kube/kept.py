"""Objects of one kind in memory, within a bound: what does not fit is asked for when it is needed.

Whoever may create objects could fill every node's memory with them otherwise. An object that is
too large, or comes when there is no room, is not kept; it is read live, like one whose event is
still on its way.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Generic

import msgspec

from polypod.errors import DecodeError
from polypod.kube import reading
from polypod.kube.objects import CHANGES, Change, Item

log = logging.getLogger("polypod.kube")
MAX_OBJECT = 256 << 10
MAX_TOGETHER = 8 << 20
OVERHEAD = 600
"""What an object takes beside its texts, about."""
Key = tuple[str, str]


class Kept(Generic[Item]):
    """Objects by (namespace, name); what cannot be read is logged and left out."""

    def __init__(
        self,
        read: Callable[[bytes], Item],
        read_change: Callable[[bytes], Change[Item]],
        size: Callable[[Item], int],
        *,
        max_bytes: int = MAX_TOGETHER,
    ) -> None:
        """Begin empty."""
        self._read: Callable[[bytes], Item] = read
        self._read_change: Callable[[bytes], Change[Item]] = read_change
        self._size: Callable[[Item], int] = size
        self._max_bytes = max_bytes
        self._items: dict[Key, Item] = {}
        self._bytes = 0
        self._is_full = False
        self._lock = threading.Lock()
        self.on_change: Callable[[], None] = lambda: None

    def get(self, namespace: str, name: str) -> Item | None:
        """Return one object."""
        with self._lock:
            return self._items.get((namespace, name))

    def all(self) -> tuple[Item, ...]:
        """Return every object."""
        with self._lock:
            return tuple(self._items.values())

    @property
    def size_bytes(self) -> int:
        """Tell how much is kept, about."""
        return self._bytes

    def replace(self, objects: Iterable[msgspec.Raw]) -> None:
        """Forget everything else; objects are read one by one, and nothing changes before the end.

        Raises:
            PolypodError: the objects could not be had to their end.
        """
        items: dict[Key, Item] = {}
        taken = 0
        for raw in objects:
            item = self._parse(raw)
            if item is None:
                continue
            size = self._weight(item)
            if self._has_room(item, taken, size):
                items[item.namespace, item.name] = item
                taken += size
        with self._lock:
            self._items, self._bytes = items, taken
        self.on_change()

    def hear(self, line: bytes) -> str | None:
        """Take what a watch tells of an object; return its version, None if it is no change.

        Raises:
            DecodeError: no object of this kind can be read.
        """
        change = reading.read(self._read_change, line, "an object")
        item = change.item
        key = item.namespace, item.name
        if change.type not in CHANGES:
            return None
        if change.type == "DELETED":
            self._remove(key)
        elif self._items.get(key) != item:  # most changes are of what nobody here asks for
            self._put(key, item)
        return change.version

    def _put(self, key: Key, item: Item) -> None:
        size = self._weight(item)
        with self._lock:
            self._take_out(key)
            if self._has_room(item, self._bytes, size):
                self._items[key] = item
                self._bytes += size
        self.on_change()

    def _remove(self, key: Key) -> None:
        with self._lock:
            self._take_out(key)
        self.on_change()

    def _take_out(self, key: Key) -> None:
        gone = self._items.pop(key, None)
        if gone is not None:
            self._bytes -= self._weight(gone)

    def _weight(self, item: Item) -> int:
        return OVERHEAD + self._size(item)

    def _has_room(self, item: Item, taken: int, size: int) -> bool:
        if size <= MAX_OBJECT and taken + size <= self._max_bytes:
            return True
        if not self._is_full:
            self._is_full = True
            log.warning(
                "cache.full kept_bytes=%d object=%s/%s size_bytes=%d",
                *(taken, item.namespace, item.name, size),
            )
        return False

    def _parse(self, raw: msgspec.Raw) -> Item | None:
        try:
            return reading.read(self._read, raw, "an object")
        except DecodeError as error:
            log.warning("object.unreadable cause=%r", error.cause)
            return None
