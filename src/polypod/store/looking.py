"""Pools that only look: what host-local would hand out, found without taking it.

For dry runs. Nothing is made or locked; what one dry run chooses is kept in memory, so that a pod
with two interfaces in one network is shown two addresses.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator, Sequence
from pathlib import Path

from polypod.errors import InvalidConfigError
from polypod.store.leases import LeaseFiles
from polypod.store.roots import Roots
from polypod.store.shelf import is_address

MAX_BYTES = 1 << 16


class LookingPool:
    """One network's folder, which need not be there, and what this dry run chose."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder."""
        self._folder = folder
        self._chosen: dict[str, str] = {}
        self._last: dict[int, str] = {}

    def owner(self, address: str) -> str | None:
        """Return an address's content, None when it is free."""
        chosen = self._chosen.get(address)
        return self._content(address) if chosen is None else chosen

    def owned(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Return the addresses of an attachment."""
        mine = {f"{container_id}\r\n{ifname}", container_id}
        names = {*self._chosen, *self._names()}
        return tuple(name for name in sorted(names) if (self.owner(name) or "").strip() in mine)

    def reserve(self, address: str, container_id: str, ifname: str) -> bool:
        """Choose an address; False when somebody has it."""
        if self.owner(address) is not None:
            return False
        self._chosen[address] = f"{container_id}\r\n{ifname}"
        return True

    def last_reserved(self, set_index: int) -> str:
        """Return what a set handed out last, empty when unknown."""
        name = f"last_reserved_ip.{set_index}"
        return self._last.get(set_index) or (self._content(name) or "").strip()

    def keep_last_reserved(self, set_index: int, address: str) -> None:
        """Remember what a set handed out last."""
        self._last[set_index] = address

    def release(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Forget what was chosen for an attachment."""
        mine = f"{container_id}\r\n{ifname}"
        freed = tuple(address for address, owner in self._chosen.items() if owner == mine)
        for address in freed:
            del self._chosen[address]
        return freed

    def _names(self) -> list[str]:
        try:
            names = os.listdir(self._folder)
        except OSError:
            return []
        return [name for name in names if is_address(name)]

    def _content(self, name: str) -> str | None:
        try:
            fd = os.open(self._folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            return os.read(fd, MAX_BYTES).decode(errors="replace")
        except OSError:
            return None
        finally:
            os.close(fd)


class LookingPools:
    """Opens networks' folders for a look."""

    def __init__(self, *, default: Path, roots: Sequence[Path]) -> None:
        """Set the default folder, and where others may lie."""
        self._default = default
        self._roots = Roots(roots)
        self._files = LeaseFiles(default=default, roots=roots)
        self._pools: dict[Path, LookingPool] = {}

    @contextlib.contextmanager
    def locked(self, directory: str, network: str) -> Generator[LookingPool]:
        """Look at a network's addresses; no lock is taken.

        Raises:
            InvalidConfigError: the folder is not allowed, or the name is not a plain one.
        """
        if not network or "/" in network or network in {".", ".."} or "\0" in network:
            raise InvalidConfigError(f"invalid network name {network[:100]!r}")
        base = self._roots.check(Path(directory)) if directory else self._default
        folder = base / network
        yield self._pools.setdefault(folder, LookingPool(folder))

    def resolv_conf(self, path: str) -> str:
        """Return the text of a resolv.conf.

        Raises:
            InvalidConfigError: the path is not allowed.
            StorageError: it cannot be read.
        """
        return self._files.resolv_conf(path)
