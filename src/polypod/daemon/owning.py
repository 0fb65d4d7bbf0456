"""`python3 -m polypod.daemon.owning`: tells a probe whether this container's daemon is the one.

A health page cannot tell: agents of one node share the host's network, so the former answers for
the one that is about to follow it, and would be deleted before that one can take over. The lock
on the state folder is what passes between them, and the kernel says which process holds it.
"""

from __future__ import annotations

import sys
from pathlib import Path

STATE = Path("/var/lib/polypod")
LOCKS = Path("/proc/locks")
FIRST = 1
"""The daemon's process id in its container."""


def owns(state: Path, pid: int = FIRST, locks: Path = LOCKS) -> bool:
    """Tell whether a process of this PID namespace holds the lock of a state folder."""
    try:
        inode = (state / "lock").stat().st_ino
        lines = locks.read_text(encoding="ascii").splitlines()
    except OSError:
        return False
    # NUMBER: FLOCK ADVISORY WRITE PID MAJOR:MINOR:INODE START END; a waiter has an arrow in front.
    found = [words for line in lines if len(words := line.split()) > 5 and words[1] == "FLOCK"]
    return any((words[4], words[5].split(":")[-1]) == (str(pid), str(inode)) for words in found)


if __name__ == "__main__":
    sys.exit(0 if owns(STATE) else 1)
