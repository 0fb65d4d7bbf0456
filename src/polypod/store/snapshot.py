"""One file of the state folder that is replaced as a whole: what was known last."""

from __future__ import annotations

import os
from pathlib import Path

from polypod.errors import StorageError
from polypod.store import files

MAX_BYTES = 8 << 20


class SnapshotFile:
    """A file that is whole or not there, and never longer than somebody would read."""

    def __init__(self, path: Path) -> None:
        """Keep the place."""
        self._path = path

    def load(self) -> bytes | None:
        """Return what was saved last; None when there is nothing, or nothing that can be read."""
        try:
            with self._path.open("rb") as file:
                is_short = os.fstat(file.fileno()).st_size <= MAX_BYTES
                return file.read() if is_short else None
        except OSError:
            return None

    def save(self, content: bytes) -> None:
        """Replace the content.

        Raises:
            StorageError: the disk refused, or the content is too long; the old one stands.
        """
        if len(content) > MAX_BYTES:
            raise StorageError(f"more than {MAX_BYTES >> 20} MiB: {self._path.name}")
        files.write_atomically(self._path, content)
