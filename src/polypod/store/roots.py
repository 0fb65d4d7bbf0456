"""Which host paths a network's configuration may name: configurations come from users."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from polypod.errors import InvalidConfigError

ALWAYS = (Path("/var/lib/cni"), Path("/run/cni"))


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
        """
        if not folder.is_absolute() or "\0" in str(folder):
            raise InvalidConfigError(f"{str(folder)[:200]!r} is not an absolute path")
        real = Path(os.path.realpath(folder))
        if self._roots is None or any(real.is_relative_to(root) for root in self._roots):
            return real
        raise InvalidConfigError(
            f"{str(folder)[:200]} is outside the folders that networks may use",
            hint="use a folder below /var/lib/cni, or allow another by --data-root",
        )
