"""DELs that the shim kept while no daemon served: read in order, removed when carried out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 2 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One kept DEL."""

    name: str
    content: bytes


class Spool:
    """The shim's folder of kept requests."""

    def __init__(self, folder: Path) -> None:
        """Keep the place; it need not exist."""
        self._folder = folder

    def entries(self) -> tuple[Entry, ...]:
        """Return what waits, oldest first (names begin with the boot time)."""
        if not self._folder.is_dir():
            return ()
        found = sorted(path for path in self._folder.iterdir() if path.suffix == ".del")
        return tuple(
            Entry(path.name, path.read_bytes()[:MAX_BYTES])
            for path in found
            if path.is_file() and not path.is_symlink()
        )

    def remove(self, entry: Entry) -> None:
        """Forget an entry that was carried out."""
        (self._folder / entry.name).unlink(missing_ok=True)

    def reject(self, entry: Entry) -> None:
        """Put a damaged entry aside, for people to look at."""
        aside = self._folder / "bad"
        aside.mkdir(mode=0o700, exist_ok=True)
        (self._folder / entry.name).rename(aside / entry.name)
