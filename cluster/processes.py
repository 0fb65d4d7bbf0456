"""The cluster's long-running programs: started inside its namespace, stopped by their ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cluster.place import Place

READY_S = 90.0
STOP_S = 15.0


class NotReadyError(Exception):
    """Something did not come up in time; the text names it and where its log is."""


def start(
    place: Place, name: str, command: list[str], environment: dict[str, str] | None = None
) -> int:
    """Start a program in the cluster's namespace; return its process id."""
    place.logs.mkdir(parents=True, exist_ok=True)
    place.pids.mkdir(parents=True, exist_ok=True)
    log = os.open(place.logs / f"{name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    whole = inside(place, command)
    try:
        pid = os.posix_spawnp(
            whole[0],
            whole,
            os.environ | (environment or {}),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, log, 1),
                (os.POSIX_SPAWN_DUP2, log, 2),
            ],
            setsid=True,
        )
    finally:
        os.close(log)
    (place.pids / name).write_text(str(pid), encoding="ascii")
    return pid


def inside(place: Place, command: list[str]) -> list[str]:
    """Return the command as it runs in the cluster's network namespace."""
    return ["nsenter", f"--net={place.netns}", "--", *command]


def pid_of(place: Place, name: str) -> int | None:
    """Return a program's process id, None when it does not run."""
    try:
        pid = int((place.pids / name).read_text(encoding="ascii"))
        os.kill(pid, 0)
    except (OSError, ValueError):
        return None
    return None if _has_ended(pid) else pid


def stop(place: Place, name: str, number: int = signal.SIGTERM) -> None:
    """Stop a program and wait for its end; one that does not run is fine."""
    pid = pid_of(place, name)
    if pid is None:
        return
    os.kill(pid, number)
    until = time.monotonic() + STOP_S
    while pid_of(place, name) is not None and time.monotonic() < until:
        _reap(pid)
        time.sleep(0.05)
    if pid_of(place, name) is not None:
        os.kill(pid, signal.SIGKILL)
        _reap(pid)


def wait(place: Place, what: str, holds: Callable[[], bool], seconds: float = READY_S) -> None:
    """Wait until something holds.

    Raises:
        NotReadyError: it did not come about; the logs' folder is named.
    """
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise NotReadyError(f"no {what} after {seconds:.0f} s; the logs are in {place.logs}")
        time.sleep(0.1)


def succeeds(place: Place, command: list[str], environment: dict[str, str] | None = None) -> bool:
    """Tell whether a command in the cluster's namespace ends well."""
    ran = subprocess.run(
        inside(place, command),
        env=os.environ | (environment or {}),
        capture_output=True,
        timeout=30,
        check=False,
    )
    return ran.returncode == 0


def tell(text: str) -> None:
    """Say what happens now."""
    print(f"-> {text}", file=sys.stderr)


def _reap(pid: int) -> None:
    """Take the exit status of a program that is our own child."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return


def _has_ended(pid: int) -> bool:
    """Tell whether a program is gone, or a zombie; threads that are left still hold its ports."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return True
    words = text.rpartition(")")[2].split()
    state, threads = words[0], int(words[17])
    return state == "Z" and threads <= 1
