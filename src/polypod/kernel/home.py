"""The namespace that a process's threads stay in: open once, with a socket for each thread.

Only for a process whose threads never leave it but within a block (netns.py); others open both for
each request.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable

from polypod.kernel import netns
from polypod.kernel.netlink import Rtnetlink


class _Thread(threading.local):
    socket: Rtnetlink | None = None


class Home:
    """The calling thread's namespace at the time it was made."""

    def __init__(self) -> None:
        """Open it."""
        self.fd = netns.open_own()
        self._thread = _Thread()
        self._sockets: list[Rtnetlink] = []
        # Not __del__: of garbage that refers to itself, the sockets might be the first to go.
        weakref.finalize(self, _close, self.fd, self._sockets)

    def socket(self) -> Rtnetlink:
        """Return the calling thread's own socket; what nobody waits for any more it passes over."""
        if self._thread.socket is None:
            self._thread.socket = Rtnetlink()
            self._sockets.append(self._thread.socket)
        return self._thread.socket


def _close(fd: int, sockets: Iterable[Rtnetlink]) -> None:
    """Close a namespace that nobody has any more, and every thread's socket."""
    for socket in sockets:
        socket.close()
    os.close(fd)
