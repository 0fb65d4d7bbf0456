"""The files in which tuning keeps a link's former attributes (the reference's place and form)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from polypod.errors import InvalidConfigError, StorageError
from polypod.plan.ops import KeepBackup, RestoreBackup, StoreOp
from polypod.store import files
from polypod.store.roots import Roots

MAX_BYTES = 1 << 16


class BackupFiles:
    """Writes, reads and removes backups."""

    def __init__(self, *, roots: Sequence[Path] | None) -> None:
        """Set where they may lie (None: anywhere)."""
        self._roots = Roots(roots)

    def apply(self, op: StoreOp) -> None:
        """Write a backup, or remove one that was put back.

        Raises:
            InvalidConfigError: the folder is not allowed.
            StorageError: the disk refused.
        """
        path = self._path(op.directory, op.name)
        match op:
            case KeepBackup():
                try:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                except OSError as error:
                    raise StorageError(f"backup: {error.strerror}: {path.parent}") from error
                files.write_atomically(path, op.content.encode())
            case RestoreBackup():
                path.unlink(missing_ok=True)

    def undo(self, op: StoreOp) -> None:
        """Remove a backup that was written; absent is fine."""
        if isinstance(op, KeepBackup):
            self._path(op.directory, op.name).unlink(missing_ok=True)

    def read(self, directory: str, name: str) -> bytes | None:
        """Return a backup's content, None when there is none."""
        try:
            with self._path(directory, name).open("rb") as file:
                return file.read(MAX_BYTES)
        except OSError:
            return None

    def _path(self, directory: str, name: str) -> Path:
        if "/" in name or "\0" in name or name in {"", ".", ".."}:
            raise InvalidConfigError(f"invalid backup name {name[:100]!r}")
        return self._roots.check(Path(directory)) / name
