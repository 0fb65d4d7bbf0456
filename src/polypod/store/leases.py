"""host-local's files: one per address, named by it, under the reference's lock.

The layout is the reference plugin's to the byte, so that both can share a node.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import logging
import os
from collections.abc import Generator, Sequence
from pathlib import Path

from polypod.errors import InvalidConfigError, StorageError
from polypod.store import files
from polypod.store.roots import Roots

log = logging.getLogger("polypod.store")
MAX_BYTES = 1 << 16
ETC = Path("/etc/resolv.conf")
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


class FilePool:
    """One network's folder, while its lock is held."""

    def __init__(self, folder: int) -> None:
        """Keep the open folder."""
        self._folder = folder

    def owner(self, address: str) -> str | None:
        """Return an address's content, None when it is free."""
        return (self._content(address) or "") or None

    def owned(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Return the addresses of an attachment, legacy id-only files included."""
        mine = {f"{container_id}\r\n{ifname}", container_id}
        return tuple(a for a in self._addresses() if (self.owner(a) or "").strip() in mine)

    def reserve(self, address: str, container_id: str, ifname: str) -> bool:
        """Create an address's file exclusively; False when somebody has it.

        An empty file is nobody's: whoever made it ended before it could write, since both are done
        under the lock. The reference never gives such an address out again.

        Raises:
            StorageError: the disk refused; the address is free.
        """
        exclusive = 0 if self._content(address) == "" else os.O_EXCL
        try:
            fd = os.open(address, _WRITE | os.O_CREAT | exclusive, 0o600, dir_fd=self._folder)
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageError(f"lease {address}: {error.strerror}") from error
        try:
            files.write_all(fd, f"{container_id}\r\n{ifname}".encode())
        except OSError as error:
            files.remove(self._folder, address)
            raise StorageError(f"lease {address}: {error.strerror}") from error
        finally:
            os.close(fd)
        return True

    def last_reserved(self, set_index: int) -> str:
        """Return what a set handed out last, empty when unknown."""
        return (self._content(f"last_reserved_ip.{set_index}") or "").strip()

    def keep_last_reserved(self, set_index: int, address: str) -> None:
        """Remember what a set handed out last; a disk that refuses costs the round robin only."""
        name, content = f"last_reserved_ip.{set_index}", address.encode()
        try:
            fd = os.open(name, _WRITE | os.O_CREAT, 0o600, dir_fd=self._folder)
            try:
                files.write_all(fd, content)
                os.ftruncate(fd, len(content))
            finally:
                os.close(fd)
        except OSError as error:
            log.warning("lease.unremembered file=%s cause=%r", name, error.strerror)

    def release(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Free an attachment's addresses, or, without any, legacy id-only ones.

        Raises:
            StorageError: the disk refused.
        """
        freed = self._free(f"{container_id}\r\n{ifname}")
        return freed or self._free(container_id)

    def _free(self, content: str) -> tuple[str, ...]:
        freed = tuple(a for a in self._addresses() if (self.owner(a) or "").strip() == content)
        for address in freed:
            files.remove(self._folder, address)
        return freed

    def _addresses(self) -> Sequence[str]:
        return [name for name in os.listdir(self._folder) if _is_address(name)]

    def _content(self, name: str) -> str | None:
        raw = files.read(self._folder, name, MAX_BYTES)
        return None if raw is None else raw.decode(errors="replace")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class LeaseFiles:
    """Opens networks' folders."""

    def __init__(self, *, default: Path, roots: Sequence[Path] | None) -> None:
        """Set the default folder, and where others may lie (None: anywhere)."""
        self._default = default.absolute()
        self._chosen = Roots(None)
        self._roots = Roots(roots)

    @contextlib.contextmanager
    def locked(self, directory: str, network: str) -> Generator[FilePool]:
        """Hold a network's lock, as the reference does.

        Raises:
            InvalidConfigError: the folder is not allowed, or the name is not a plain one.
            StorageError: it cannot be made or locked.
        """
        if not network or "/" in network or network in {".", ".."} or "\0" in network:
            raise InvalidConfigError(f"invalid network name {network[:100]!r}")
        roots = self._roots if directory else self._chosen
        base = Path(directory) if directory else self._default
        with roots.opened(base / network, make=0o755) as folder:
            try:
                lock = os.open("lock", _LOCK, 0o750, dir_fd=folder)
            except OSError as error:
                raise StorageError(f"lease lock: {error.strerror}: {base / network}") from error
            try:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield FilePool(folder)
            finally:
                os.close(lock)

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
