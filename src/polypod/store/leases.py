"""host-local's files: one per address, named by it, under the reference's lock.

The layout is the reference plugin's to the byte, so that both can share a node. Which folders may
be used is decided here; what is in one is shelf.py's subject.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from polypod.errors import InvalidConfigError, StorageError
from polypod.store import files
from polypod.store.files import NOBODY_WAITS
from polypod.store.roots import Roots
from polypod.store.shelf import MAX_BYTES, FilePool, Shelf
from polypod.store.spares import Spares

ETC = Path("/etc/resolv.conf")
MAX_SHELVES = 64
"""Networks whose folders are kept open."""


class LeaseFiles:
    """Opens networks' folders."""

    def __init__(
        self,
        *,
        default: Path,
        roots: Sequence[Path] | None,
        spares: Spares | None = None,
        aside: AbstractContextManager[None] = NOBODY_WAITS,
    ) -> None:
        """Set the default folder, and where others may lie (None: anywhere).

        With spares the next lease is made of the file of a past one.
        `aside` is around a wait for a lock that somebody else has.
        """
        self._aside = aside
        self._default = default.absolute()
        self._chosen = Roots(None)
        self._roots = Roots(roots)
        self._guard = threading.Lock()
        self._shelves: dict[tuple[str, str], Shelf] = {}
        self._spares = spares

    def locked(self, directory: str, network: str) -> AbstractContextManager[FilePool]:
        """Hold a network's lock for a block, as the reference does.

        Raises:
            InvalidConfigError: the folder is not allowed, or the name is not a plain one.
            StorageError: it cannot be made or locked.
        """
        if not network or "/" in network or network in {".", ".."} or "\0" in network:
            raise InvalidConfigError(f"invalid network name {network[:100]!r}")
        return self._shelf(directory, network).locked()

    def _shelf(self, directory: str, network: str) -> Shelf:
        """Return the network's shelf: the one that is open, if it still is what its path names."""
        key = (directory, network)
        with self._guard:
            known = self._shelves.get(key)
        if known is not None and known.is_at(f"{directory or self._default}/{network}"):
            return known
        fresh = self._opened(directory, network)
        with self._guard:
            if self._shelves.get(key) is known:
                self._shelves[key] = fresh
            while len(self._shelves) > MAX_SHELVES:
                del self._shelves[next(iter(self._shelves))]
            return self._shelves.get(key, fresh)

    def _opened(self, directory: str, network: str) -> Shelf:
        roots = self._roots if directory else self._chosen
        base = Path(directory) if directory else self._default
        with roots.opened(base / network, make=0o755) as folder:
            return Shelf(os.dup(folder), self._spares, self._aside)

    def resolv_conf(self, path: str) -> str:
        """Return the text of a resolv.conf.

        Raises:
            InvalidConfigError: the path is not allowed.
            StorageError: it cannot be read.
        """
        roots = self._chosen if Path(path) == ETC else self._roots
        real = roots.check(Path(path))
        try:
            with roots.opened(real.parent) as folder:
                raw = files.read(folder, real.name, MAX_BYTES)
        except StorageError:
            raw = None
        if raw is None:
            raise StorageError(f"open {path[:200]}: no such file or directory", code=999)
        return raw.decode(errors="replace")
