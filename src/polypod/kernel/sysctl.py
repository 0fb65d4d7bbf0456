"""Sysctls of the namespace that the calling thread is in, below /proc/sys/net only."""

from __future__ import annotations

import os
import posixpath
from functools import lru_cache

from polypod.errors import PluginError

ROOT = "/proc/sys/"
ELSEWHERE = "POLYPOD_PROC_SYS"
"""In a container /proc/sys is read-only; this variable names a view of it that can be written."""
_MAX_BYTES = 1 << 16


@lru_cache(maxsize=128)
def path_of(key: str) -> str:
    """Return the file of a key; the first separator found decides which one it uses.

    Raises:
        PluginError: the key leads out of /proc/sys/net.
    """
    dot, slash = key.find("."), key.find("/")
    if dot >= 0 and (slash < 0 or dot < slash):
        key = key.translate(str.maketrans("./", "/."))
    path = posixpath.normpath(ROOT + key)
    if not path.startswith("/proc/sys/net/"):
        raise PluginError(f'invalid net sysctl key: "{key[:200]}"')
    return path


def _place(path: str) -> str:
    """Return where a path below /proc/sys is really opened."""
    root = os.environ.get(ELSEWHERE)
    return root.rstrip("/") + path.removeprefix("/proc/sys") if root else path


def read(key: str) -> str | None:
    """Return the trimmed value, None when there is no such sysctl."""
    try:
        fd = os.open(_place(path_of(key)), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, _MAX_BYTES).decode("ascii", "replace").strip()
    except OSError:
        return None
    finally:
        os.close(fd)


def write(key: str, value: str) -> None:
    """Write a value verbatim.

    Raises:
        PluginError: there is no such sysctl, or the kernel refuses the value.
    """
    path = path_of(key)
    verb = "open"
    try:
        fd = os.open(_place(path), os.O_WRONLY | os.O_CLOEXEC)
        try:
            verb = "write"
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        words = error.strerror or str(error)
        raise PluginError(f"{verb} {path}: {words[:1].lower()}{words[1:]}") from error


def write_if_there(key: str, value: str) -> None:
    """Write a value, and let it be when the kernel has no such sysctl or refuses."""
    try:
        write(key, value)
    except PluginError:
        return
