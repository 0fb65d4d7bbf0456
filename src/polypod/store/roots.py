"""Which host folders a network's configuration may name: configurations come from users.

A folder is opened, not only compared: its links are resolved first, and the way there is then
walked without following any, so that one put in its place in between leads nowhere.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path

from polypod.errors import InvalidConfigError, StorageError

ALWAYS = (Path("/var/lib/cni"), Path("/run/cni"))
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Roots:
    """The folders below which files may be made; None allows any (the caller is root already)."""

    def __init__(self, extra: Sequence[Path] | None) -> None:
        """Allow the fixed roots and some more."""
        self._roots = (
            None if extra is None else [Path(os.path.realpath(r)) for r in (*ALWAYS, *extra)]
        )

    def check(self, folder: Path) -> Path:
        """Return the folder with every link resolved.

        Raises:
            InvalidConfigError: it is relative, or leads out of the allowed roots.
            StorageError: it changes while it is looked at.
        """
        if not folder.is_absolute() or "\0" in str(folder):
            raise InvalidConfigError(f"{str(folder)[:200]!r} is not an absolute path")
        try:
            real = Path(os.path.realpath(folder))
        except OSError as error:  # a link that went while it was read
            raise StorageError(f"{error.strerror}: {str(folder)[:200]}") from error
        if self._roots is None or any(real.is_relative_to(root) for root in self._roots):
            return real
        raise InvalidConfigError(
            f"{str(folder)[:200]} is outside the folders that networks may use",
            hint="use a folder below /var/lib/cni, or allow another by --data-root",
        )

    @contextlib.contextmanager
    def opened(self, folder: Path, *, make: int | None = None) -> Generator[int]:
        """Open an allowed folder for the length of a block; `make` is the mode of missing ones.

        Raises:
            InvalidConfigError: it is not allowed.
            StorageError: it is not there, or cannot be made.
        """
        real = self.check(folder)
        try:
            fd = walk(real, make)
        except OSError as error:
            raise StorageError(f"{error.strerror}: {str(folder)[:200]}") from error
        try:
            yield fd
        finally:
            os.close(fd)


def walk(real: Path, make: int | None) -> int:
    """Open a folder from the top, following no link; missing ones are made when a mode is given."""
    fd = os.open("/", _FOLDER)
    for part in real.parts[1:]:
        try:
            below = _step(fd, part, make)
        finally:
            os.close(fd)
        fd = below
    return fd


def _step(folder: int, name: str, make: int | None) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if make is None:
            raise
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, make, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)
