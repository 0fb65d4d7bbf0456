"""host-local's files: one per address, named by it, under the reference's lock.

The layout is the reference plugin's to the byte, so that both can share a node.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
from collections.abc import Generator, Sequence
from pathlib import Path

from polypod.errors import InvalidConfigError, StorageError
from polypod.store.roots import Roots

MAX_BYTES = 1 << 16


class FilePool:
    """One network's folder, while its lock is held."""

    def __init__(self, folder: Path) -> None:
        """Keep the folder."""
        self._folder = folder

    def owner(self, address: str) -> str | None:
        """Return an address's content, None when it is free."""
        return _content(self._folder / address)

    def owned(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Return the addresses of an attachment, legacy id-only files included."""
        mine = {f"{container_id}\r\n{ifname}", container_id}
        return tuple(a for a in self._addresses() if (self.owner(a) or "").strip() in mine)

    def reserve(self, address: str, container_id: str, ifname: str) -> bool:
        """Create an address's file exclusively; False when somebody has it."""
        path = self._folder / address
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageError(f"lease: {error.strerror}: {path}") from error
        try:
            os.write(fd, f"{container_id}\r\n{ifname}".encode())
        except OSError as error:
            path.unlink(missing_ok=True)
            raise StorageError(f"lease: {error.strerror}: {path}") from error
        finally:
            os.close(fd)
        return True

    def last_reserved(self, set_index: int) -> str:
        """Return what a set handed out last, empty when unknown."""
        return (_content(self._folder / f"last_reserved_ip.{set_index}") or "").strip()

    def keep_last_reserved(self, set_index: int, address: str) -> None:
        """Remember what a set handed out last."""
        path = self._folder / f"last_reserved_ip.{set_index}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(path, flags, 0o600)
            try:
                os.write(fd, address.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise StorageError(f"lease: {error.strerror}: {path}") from error

    def release(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Free an attachment's addresses, or, without any, legacy id-only ones."""
        freed = self._free(f"{container_id}\r\n{ifname}")
        return freed or self._free(container_id)

    def _free(self, content: str) -> tuple[str, ...]:
        freed = tuple(a for a in self._addresses() if (self.owner(a) or "").strip() == content)
        for address in freed:
            (self._folder / address).unlink(missing_ok=True)
        return freed

    def _addresses(self) -> Sequence[str]:
        return [name for name in os.listdir(self._folder) if _is_address(name)]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _content(path: Path) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(fd, MAX_BYTES).decode(errors="replace")
    except OSError:
        return None
    finally:
        os.close(fd)


class LeaseFiles:
    """Opens networks' folders."""

    def __init__(self, *, default: Path, roots: Sequence[Path] | None) -> None:
        """Set the default folder, and where others may lie (None: anywhere)."""
        self._default = default
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
        base = self._roots.check(Path(directory)) if directory else self._default
        folder = base / network
        try:
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
            if directory:
                self._roots.check(folder)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(folder / "lock", flags, 0o750)
        except OSError as error:
            raise StorageError(f"lease: {error.strerror}: {folder}") from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield FilePool(folder)
        finally:
            os.close(fd)

    def resolv_conf(self, path: str) -> str:
        """Return the text of a resolv.conf.

        Raises:
            InvalidConfigError: the path is not allowed.
            StorageError: it cannot be read.
        """
        place = Path(path)
        if place != Path("/etc/resolv.conf"):
            self._roots.check(place)
        try:
            with place.open("rb") as file:
                return file.read(MAX_BYTES).decode(errors="replace")
        except OSError as error:
            words = (error.strerror or "").lower()
            raise StorageError(f"open {path[:200]}: {words}", code=999) from error
