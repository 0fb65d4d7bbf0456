"""A nursery of daemons that die at their Nth effect, as by `kill -9`.

Started as a program with the daemon's options. Each line on stdin is a number N: a child becomes
the daemon and is killed right at its Nth effect (0: never). Its pid and then its wait status are
printed. Imports are paid for once, so that a test can try every N.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from typing import Any

from polypod.cli import daemon
from polypod.daemon import doors as opening
from polypod.engine.doors import Doors

READS = frozenset({
    "look", "cookie", "is_same", "of_container", "all", "has_pod", "read", "owner", "owned",
    "last_reserved", "resolv_conf", "close",
})  # fmt: skip
"""What changes nothing; every other method of a door is an effect, and may be the last."""


class Fuse:
    """Kills this process at the Nth effect: before it, or after it."""

    def __init__(self, at: int) -> None:
        self._left = at

    def tick(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Door:
    """A door whose effects burn the fuse."""

    def __init__(self, real: Any, fuse: Fuse) -> None:
        self._real = real
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name in READS or not callable(found):
            return found
        if name in {"enter", "locked"}:
            return self._opened(found)

        def act(*arguments: Any, **named: Any) -> Any:
            self._fuse.tick()
            result = found(*arguments, **named)
            self._fuse.tick()
            return result

        return act

    def _opened(self, opens: Callable[..., Any]) -> Callable[..., Any]:
        @contextlib.contextmanager
        def opened(*arguments: Any, **named: Any) -> Generator[Any]:
            with opens(*arguments, **named) as real:
                yield Door(real, self._fuse)

        return opened


def burning(doors: Doors, fuse: Fuse) -> Doors:
    """Return the doors with every effect on the fuse."""
    wrapped: dict[str, Any] = {
        name: Door(getattr(doors, name), fuse)
        for name in ("kernel", "journal", "pools", "backups", "status")
    }
    return replace(doors, **wrapped)


def child(at: int, options: list[str]) -> int:
    opens, fuse = opening.open_doors, Fuse(at)

    def open_burning(*given: Any, **named: Any) -> Doors:
        return burning(opens(*given, **named), fuse)

    if at:
        opening.open_doors = open_burning
    return daemon.main(options)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os._exit(child(int(line), sys.argv[1:]))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(f"{status}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
