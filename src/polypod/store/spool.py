"""DELs that the shim kept while no daemon served: files whose names begin with the boot's clock.

Reading never fails as a whole: an entry that cannot be read now is there the next time. What is
damaged is put aside, for people to look at; what a killed shim left unfinished is removed.
"""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

log = logging.getLogger("polypod.store")
MAX_BYTES = 3 << 20
ASIDE = "bad"
MAX_ASIDE = 100
UNFINISHED_S = 600.0


class Spool:
    """The shim's folder of kept requests."""

    def __init__(self, folder: Path) -> None:
        """Keep the place; it need not exist."""
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Return where it is."""
        return self._folder

    def names(self) -> tuple[str, ...]:
        """Return what waits, oldest first."""
        try:
            found = os.listdir(self._folder)
        except OSError:
            return ()
        return tuple(sorted(name for name in found if name.endswith(".del") and name[0] != "."))

    def read(self, name: str) -> bytes | None:
        """Return an entry's content, None when it has gone or is no plain file."""
        try:
            fd = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(fd, "rb") as file:
                return file.read(MAX_BYTES)
        except OSError:
            return None

    def has(self, name: str) -> bool:
        """Tell whether an entry still waits."""
        return (self._folder / name).exists()

    def remove(self, name: str) -> None:
        """Forget an entry that was carried out; a disk that refuses makes it come again."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            log.error("spool.unremoved entry=%s cause=%r", name, error.strerror)  # noqa: TRY400

    def reject(self, name: str) -> None:
        """Put a damaged entry aside; of those only the newest are kept."""
        aside = self._folder / ASIDE
        try:
            aside.mkdir(mode=0o700, exist_ok=True)
            for old in sorted(os.listdir(aside))[: -(MAX_ASIDE - 1)]:
                (aside / old).unlink(missing_ok=True)
            (self._folder / name).rename(aside / name)
        except OSError as error:
            log.error("spool.unremoved entry=%s cause=%r", name, error.strerror)  # noqa: TRY400

    def sweep(self) -> None:
        """Remove files that a shim began and did not finish, and that nobody writes any more."""
        try:
            for path in self._folder.glob(".*.del"):
                if time.time() - path.stat().st_mtime > UNFINISHED_S:
                    path.unlink(missing_ok=True)
        except OSError as error:
            log.warning("spool.unswept cause=%r", error.strerror)
