"""Files that are whole or not there, and that no link stands in for.

Writing is: temporary file, fsync, rename, fsync of the folder. A folder is given as a path by those
who chose it themselves, and as an open descriptor (`roots.py`) when a configuration named it.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from polypod.errors import StorageError

NOBODY_WAITS: AbstractContextManager[None] = contextlib.nullcontext()
"""What is around a wait in a process of one thread."""
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO must not hold us up
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC


def write_atomically(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file's content; readers see the old or the new, whole.

    Raises:
        StorageError: the disk refused; the old content stands.
    """
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise StorageError(f"{error.strerror}: {path.parent}") from error
    try:
        replace(folder, path.name, content, mode=mode)
    finally:
        os.close(folder)


def replace(folder: int, name: str, content: bytes, *, mode: int = 0o600) -> None:
    """Replace a file of an open folder.

    Raises:
        StorageError: the disk refused; the old content stands.
    """
    fresh = f".{name}.{os.getpid()}-{threading.get_ident()}.new"
    try:
        fd = os.open(fresh, _WRITE | os.O_CREAT | os.O_TRUNC, mode, dir_fd=folder)
        try:
            os.fchmod(fd, mode)
            write_all(fd, content)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
        os.fsync(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(fresh, dir_fd=folder)
        raise StorageError(f"{error.strerror}: {name[:100]}") from error


def read(folder: int, name: str, limit: int) -> bytes | None:
    """Return the beginning of a plain file of an open folder, None when there is none."""
    try:
        fd = os.open(name, _READ, dir_fd=folder)
    except OSError:
        return None
    try:
        return os.read(fd, limit) if stat.S_ISREG(os.fstat(fd).st_mode) else None
    except OSError:
        return None
    finally:
        os.close(fd)


def remove(folder: int, name: str) -> None:
    """Remove a file of an open folder; absent is fine.

    Raises:
        StorageError: the disk refused.
    """
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StorageError(f"{error.strerror}: {name[:100]}") from error


def write_all(fd: int, content: bytes) -> None:
    """Write everything, however often the kernel takes a part."""
    left = memoryview(content)
    while left:
        left = left[os.write(fd, left) :]
