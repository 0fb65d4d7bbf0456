"""A clock that moves when it is told to, and the list of stops that the fakes write down."""

from __future__ import annotations

from collections.abc import Callable


class FakeClock:
    """Wall time and monotonic time, moved by hand."""

    def __init__(self, *, wall: float = 1_700_000_000.0) -> None:
        """Set the wall's time; the monotonic clock begins at zero."""
        self._wall = wall
        self._monotonic = 0.0

    def wall(self) -> float:
        """Return seconds since 1970."""
        return self._wall

    def monotonic(self) -> float:
        """Return seconds since some moment."""
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._wall += seconds
        self._monotonic += seconds


class Trace:
    """What was called, in order, as `door.verb detail`."""

    def __init__(self) -> None:
        """Begin empty."""
        self.stops: list[str] = []
        self.watch: Callable[[str], None] | None = None
        """Told of each call before it does anything; one that raises is a crash at that place."""

    def stop(self, name: str, detail: str = "") -> None:
        """Write one call down."""
        told = f"{name} {detail}".rstrip()
        if self.watch is not None:
            self.watch(told)
        self.stops.append(told)

    def names(self) -> list[str]:
        """Return the calls without their details."""
        return [stop.partition(" ")[0] for stop in self.stops]
