"""The files of tuning: a link's former attributes, and the node's allowlist of sysctls.

Their places and forms are the reference's.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from polypod.errors import InvalidConfigError, StorageError
from polypod.plan.ops import KeepBackup, RestoreBackup, StoreOp
from polypod.store import files
from polypod.store.files import NOBODY_WAITS
from polypod.store.roots import Roots

MAX_BYTES = 1 << 16
ALLOWLIST = Path("/etc/cni/tuning/allowlist.conf")


class BackupFiles:
    """Writes, reads and removes backups."""

    def __init__(
        self,
        *,
        roots: Sequence[Path] | None,
        allowlist: Path = ALLOWLIST,
        aside: AbstractContextManager[None] = NOBODY_WAITS,
    ) -> None:
        """Set where they may lie (None: anywhere), and which file limits the sysctls.

        `aside` is around a wait for the disk.
        """
        self._aside = aside
        self._roots = Roots(roots)
        self._allowlist = allowlist

    def allowed_sysctls(self) -> tuple[str, ...] | None:
        """Return the lines of the allowlist, None when there is no such file.

        Raises:
            StorageError: it is there and cannot be read, which allows nothing.
        """
        try:
            return tuple(self._allowlist.read_text(encoding="utf-8", errors="replace").splitlines())
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StorageError(
                f"allowlist of sysctls: {error.strerror}: {self._allowlist}"
            ) from error

    def apply(self, op: StoreOp) -> None:
        """Write a backup, or remove one that was put back.

        Raises:
            InvalidConfigError: the folder is not allowed.
            StorageError: the disk refused.
        """
        _check(op.name)
        match op:
            case KeepBackup():
                folder_of = self._roots.opened(Path(op.directory), make=0o700)
                with folder_of as folder, self._aside:
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
