"""Starts and ends the real programs of a node: each has a log, a deadline, and an end."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


def wait_until(
    condition: Callable[[], bool], what: str, *, timeout_s: float = 10, every_s: float = 0.02
) -> None:
    """Ask again and again until the condition holds.

    Raises:
        TimeoutError: it did not come about.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s} s")
        time.sleep(every_s)


def output(*command: str, timeout_s: float = 30) -> str:
    """Run a command to its end and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


@dataclass(slots=True)
class Program:
    """A long-lived process, its log beside it."""

    name: str
    command: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process's id."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it; what it prints is added to its log."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
                start_new_session=True,
            )

    def wait_until(self, condition: Callable[[], bool], what: str, timeout_s: float = 20) -> None:
        """Wait for a condition, but not longer than the process lives."""
        process = self.process
        assert process is not None

        def holds() -> bool:
            assert process.poll() is None, f"{self.name} ended: {self.tail()}"
            return condition()

        wait_until(holds, f"{self.name}: {what}", timeout_s=timeout_s)

    def stop(self, timeout_s: float = 20) -> None:
        """Ask it to end, and make it end when it does not."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self.process = None

    def kill(self) -> None:
        """End it as the kernel does when memory is short: at once."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None

    def tail(self, lines: int = 60) -> str:
        """Return the end of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
