"""The file by which a primary says that it can attach pods."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

LOOK_EVERY_S = 0.25


class ReadinessFile:
    """Looks whether the file is there."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Keep the place."""
        self._path = path
        self._clock = clock
        self._pause = pause

    def __str__(self) -> str:
        """Return the place."""
        return str(self._path)

    @property
    def is_there(self) -> bool:
        """Tell whether the primary is ready."""
        return self._path.exists()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the primary is ready, but not longer than given; tell whether it is."""
        end = self._clock() + timeout_s
        while not self.is_there:
            if self._clock() >= end:
                return False
            self._pause(LOOK_EVERY_S)
        return True
