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
        _check(op.name)
        match op:
            case KeepBackup():
                with self._roots.opened(Path(op.directory), make=0o700) as folder:
                    files.replace(folder, op.name, op.content.encode())
            case RestoreBackup():
                self._remove(op)

    def undo(self, op: StoreOp) -> None:
        """Remove a backup that was written; absent is fine."""
        if isinstance(op, KeepBackup):
            _check(op.name)
            self._remove(op)

    def read(self, directory: str, name: str) -> bytes | None:
        """Return a backup's content, None when there is none."""
        _check(name)
        try:
            with self._roots.opened(Path(directory)) as folder:
                return files.read(folder, name, MAX_BYTES)
        except StorageError:
            return None

    def _remove(self, op: StoreOp) -> None:
        directory = self._roots.check(Path(op.directory))
        if not directory.is_dir():
            return
        with self._roots.opened(directory) as folder:
            files.remove(folder, op.name)


def _check(name: str) -> None:
    if "/" in name or "\0" in name or name in {"", ".", ".."}:
        raise InvalidConfigError(f"invalid backup name {name[:100]!r}")
