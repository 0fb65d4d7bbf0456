"""Names that the API server did not have a moment ago: they are not asked for again at once.

A setting may name a network that is a file and no definition, and both ADDs and the keeper of the
node's files look for the definition first. The watch tells of one that is created meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

SECONDS = 10.0
MOST = 1024
Name: TypeAlias = tuple[str, str]
"""Namespace and name."""


class Missing:
    """Remembers misses for a short time."""

    def __init__(
        self, seconds: float = SECONDS, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin with none."""
        self._seconds = seconds
        self._clock = clock
        self._since: dict[Name, float] = {}

    def has(self, name: Name) -> bool:
        """Tell whether a name was missing a moment ago."""
        since = self._since.get(name)
        return since is not None and self._clock() - since < self._seconds

    def add(self, name: Name) -> None:
        """Remember a miss; with too many of them all are forgotten."""
        if len(self._since) >= MOST:
            self._since.clear()
        self._since[name] = self._clock()
