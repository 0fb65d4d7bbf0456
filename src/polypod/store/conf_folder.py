"""The node's CNI configuration folder: the primary's file in it, and ours.

Ours is written whole or not at all, never empty. What the files mean is decided by cni/node.py.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
from pathlib import Path
from typing import TypeAlias

from polypod.cni import lists, node
from polypod.errors import StorageError
from polypod.store import files
from polypod.store.networks import NetworkFiles

MAX_BYTES = 1 << 20
_IN_CHANGES = 0x2 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200
"""IN_MODIFY, IN_CLOSE_WRITE, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE."""
_Stamp: TypeAlias = tuple[tuple[str, int, int, int], ...]
_libc = ctypes.CDLL(None, use_errno=True)


class ConfFolder:
    """Networks of a node whose primary is found in a folder."""

    def __init__(self, folder: Path, named: Path | None = None) -> None:
        """Keep the places; `named` is the folder of networks that definitions only name."""
        self._folder = folder
        self._files = NetworkFiles(folder / node.OURS, named)
        self._seen: tuple[_Stamp, tuple[str, lists.NetworkList] | None] | None = None

    def primary(self) -> lists.NetworkList | None:
        """Return the primary's configuration.

        Raises:
            StorageError: there is none yet.
        """
        found = self.found()
        if found is None:
            raise StorageError(
                f"there is no primary network's configuration in {self._folder}",
                hint="the primary network must be installed first; Polypod adds to it",
                code=11,
            )
        return found[1]

    def found(self) -> tuple[str, lists.NetworkList] | None:
        """Return the primary's file and its network with what is chained to it, None without one.

        Raises:
            InvalidConfigError: a file that is chained to it is broken.
        """
        chosen = self.choice()
        return None if chosen is None else (chosen[0], self._extended(*chosen))

    def _extended(self, name: str, primary: lists.NetworkList) -> lists.NetworkList:
        """Add what is chained to the primary, if there is a folder of its name."""
        seen = self._seen[0] if self._seen is not None else ()
        if name.endswith(".conflist") and any(entry[0] == primary.name for entry in seen):
            return self._files.at(str(self._folder / name))
        return primary

    def choice(self) -> tuple[str, lists.NetworkList] | None:
        """Return the primary's file and what it says, None when there is none."""
        stamp = self._stamp()
        if self._seen is None or self._seen[0] != stamp:
            self._seen = (stamp, node.choose(self.content()))
        return self._seen[1]

    def by_name(self, name: str) -> bytes | None:
        """Return the configuration of that name from the folder of named networks."""
        return self._files.by_name(name)

    def at(self, path: str) -> lists.NetworkList:
        """Return the configuration at a path that the operator named.

        Raises:
            StorageError: it cannot be read.
            InvalidConfigError: it is not a network configuration, or names a meta-plugin.
        """
        return self._files.at(path)

    def auxiliary(self, name: str, cni_version: str) -> lists.NetworkList | None:
        """Return the chain of that name in this folder, None when there is none."""
        return self._files.auxiliary(name, cni_version)

    def content(self) -> dict[str, bytes]:
        """Return every file of the folder; none when it cannot be read."""
        found: dict[str, bytes] = {}
        with contextlib.suppress(OSError):
            for name in os.listdir(self._folder):
                with contextlib.suppress(OSError):
                    path = self._folder / name
                    if path.is_file():
                        found[name] = path.read_bytes()[:MAX_BYTES]
        return found

    def place(self, content: bytes) -> bool:
        """Write our file if it is not so already; tell whether something was written.

        Raises:
            StorageError: the folder refuses.
        """
        path = self._folder / node.OURS
        with contextlib.suppress(OSError):
            if not path.is_symlink() and path.read_bytes() == content:
                return False
        files.write_atomically(path, content, mode=0o644)
        return True

    def withdraw(self) -> None:
        """Remove our file, also where somebody put it aside; the primary is the first one again.

        Raises:
            StorageError: the folder refuses.
        """
        try:
            for name in os.listdir(self._folder):
                if name == node.OURS or name.startswith(f"{node.OURS}."):
                    (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{error.strerror}: {self._folder}") from error

    def _stamp(self) -> _Stamp:
        stamps: list[tuple[str, int, int, int]] = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    stat = entry.stat()
                    stamps.append((entry.name, stat.st_mtime_ns, stat.st_size, stat.st_ino))
        return tuple(sorted(stamps))


class Changes:
    """Tells when something in a folder changed (inotify); looks again at intervals all the same."""

    def __init__(self, folder: Path) -> None:
        """Begin to watch; a folder that is not there yet is looked for at each wait."""
        self._folder = folder
        self._fd = int(_libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK))
        self._is_watched = False
        self._woken = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def wake(self) -> None:
        """End the wait of another thread, and every later one."""
        os.eventfd_write(self._woken, 1)

    def wait(self, seconds: float) -> bool:
        """Wait for a change, but not longer than given; tell whether there was one."""
        if not self._is_watched and self._fd >= 0:
            place = os.fsencode(self._folder)
            self._is_watched = _libc.inotify_add_watch(self._fd, place, _IN_CHANGES) >= 0
        looked_at = [self._fd, self._woken] if self._fd >= 0 else [self._woken]
        ready, _, _ = select.select(looked_at, [], [], seconds)
        if self._fd not in ready:
            return False
        with contextlib.suppress(OSError):
            os.read(self._fd, 1 << 16)
        return True

    def close(self) -> None:
        """Stop watching."""
        for fd in (self._fd, self._woken):
            if fd >= 0:
                os.close(fd)
        self._fd = self._woken = -1
