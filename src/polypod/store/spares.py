"""Files that leases left behind, kept for the next ones: a new file may cost more than a new link.

A file system without a journal looks for a number that no file had lately: 130 microseconds for
each lease where taking a spare costs 17 (docs/adr/0020), and a pod has several. They lie in the
state folder, out of sight of programs that share the leases, and belong to one process at a time.
Nothing depends on them: whoever gets none makes a file, as where leases are on another mount.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import stat
from collections import deque
from pathlib import Path

from polypod.errors import StorageError
from polypod.store import files

LIMIT = 512
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Spares:
    """A folder of them; every method may be called by many threads."""

    def __init__(self, folder: Path) -> None:
        """Own the folder, unless another process does; what is in it counts.

        Raises:
            StorageError: it cannot be made or opened.
        """
        self._folder = -1
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._folder = os.open(folder, _FOLDER)
        except OSError as error:
            raise StorageError(f"{error.strerror}: {folder}") from error
        self._names: deque[str] = deque()
        try:
            fcntl.flock(self._folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._names.extend(os.listdir(self._folder))
            self._limit = LIMIT
        except OSError:
            self._limit = 0
        highest = max((int(name) for name in self._names if name.isdecimal()), default=0)
        self._numbers = itertools.count(highest + 1)

    def __del__(self) -> None:
        """Let go of the folder."""
        if self._folder >= 0:
            os.close(self._folder)

    def keep(self, folder: int, name: str) -> bool:
        """Take a file out of a folder; False when there are enough, or it cannot be moved."""
        if len(self._names) >= self._limit:
            return False
        spare = str(next(self._numbers))
        try:
            os.rename(name, spare, src_dir_fd=folder, dst_dir_fd=self._folder)
        except OSError as error:
            if error.errno == errno.EXDEV:
                self._limit = 0
            return False
        self._names.append(spare)
        return True

    def fill(self, folder: int, name: str, content: bytes) -> bool:
        """Make a file of a spare one, complete before its name is there.

        Raises:
            FileExistsError: somebody made it before.
        """
        try:
            spare = self._names.popleft()
        except IndexError:
            return False
        try:
            return self._write(spare, content) and self._link(spare, folder, name)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(spare, dir_fd=self._folder)

    def _write(self, spare: str, content: bytes) -> bool:
        """Replace a spare's content; never that of one whose new name a crash left beside it."""
        try:
            fd = os.open(spare, _WRITE, dir_fd=self._folder)
        except OSError:
            return False
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
                return False
            files.write_all(fd, content)
            if found.st_size > len(content):  # even to the size it has, it takes the kernel long
                os.ftruncate(fd, len(content))
        except OSError:
            return False
        finally:
            os.close(fd)
        return True

    def _link(self, spare: str, folder: int, name: str) -> bool:
        try:
            os.link(spare, name, src_dir_fd=self._folder, dst_dir_fd=folder, follow_symlinks=False)
        except FileExistsError:
            raise
        except OSError:
            return False
        return True
