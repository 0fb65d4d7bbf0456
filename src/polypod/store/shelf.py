"""One network's lease files, kept open, with an index in memory that is checked against them.

The files stay the truth: other programs share them, under the same lock. The index is good as long
as the folder's time of change is the one that our own last change left. Where a clock is too coarse
to show somebody else's change (before Linux 6.13), every answer that matters is looked at again: an
address is made exclusively, one that seems taken or held is read, and who is to be released and
seems to hold nothing is looked for in the folder.
"""

from __future__ import annotations

import fcntl
import ipaddress
import logging
import os
import stat
import threading
from contextlib import AbstractContextManager
from typing import Self, TypeAlias

from polypod.errors import StorageError
from polypod.store import files
from polypod.store.files import NOBODY_WAITS
from polypod.store.spares import Spares

log = logging.getLogger("polypod.store")
MAX_BYTES = 1 << 16
_WRITE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_LAST = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
Stamp: TypeAlias = tuple[int, int]


class Shelf:
    """A folder, its lock, and what is known of its files; closed when nobody has it any more."""

    def __init__(
        self,
        folder: int,
        spares: Spares | None = None,
        aside: AbstractContextManager[None] = NOBODY_WAITS,
    ) -> None:
        """Keep the open folder, and open its lock; new files are made of spares if there are any.

        Raises:
            StorageError: the lock cannot be made.
        """
        self._folder = folder
        self._spares = spares
        self._aside = aside
        self._lock = -1
        self._guard = threading.Lock()
        self._stamp: Stamp | None = None
        self._is_read = False
        self._last: dict[int, int] = {}
        self._owners: dict[str, str | None] = {}
        self._held: dict[str, dict[str, None]] = {}
        try:
            own = os.fstat(folder)
            self._place = own.st_dev, own.st_ino
            self._lock = os.open("lock", _LOCK, 0o750, dir_fd=folder)
        except OSError as error:
            raise StorageError(f"lease lock: {error.strerror}") from error

    def __del__(self) -> None:
        """Close what was kept open."""
        for fd in (self._folder, self._lock, *self._last.values()):
            if fd >= 0:
                os.close(fd)

    def is_at(self, path: str) -> bool:
        """Tell whether this is what the path leads to, with the lock that others take."""
        try:
            there = os.stat(path)  # noqa: PTH116 - each call of an ADD counts
            lock = os.fstat(self._lock)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == self._place and lock.st_nlink > 0

    def locked(self) -> FilePool:
        """Return what holds the lock for the length of a block."""
        return FilePool(self)

    def take(self) -> None:
        """Hold the lock: among our threads first, then among programs.

        Raises:
            StorageError: the folder cannot be read, and the lock is not held.
        """
        if not self._guard.acquire(blocking=False):
            with self._aside:
                self._guard.acquire()
        try:
            self._lock_out_others()
        except BaseException:
            self._guard.release()
            raise
        try:
            if self._stamp is None or self._stamp != self._stamp_now():
                self.read()
        except BaseException:
            self.let_go()
            raise

    def let_go(self) -> None:
        """Let others have the lock."""
        try:
            self._stamp = self._stamp_now() if self._is_read else None
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        finally:
            self._guard.release()

    def _lock_out_others(self) -> None:
        try:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                with self._aside:
                    fcntl.flock(self._lock, fcntl.LOCK_EX)
        except OSError as error:
            raise StorageError(f"lease lock: {error.strerror}") from error

    def _stamp_now(self) -> Stamp:
        now = os.fstat(self._folder)
        return now.st_mtime_ns, now.st_ctime_ns

    # The index; every method wants the lock.

    def read(self) -> None:
        """Read all the files.

        Raises:
            StorageError: the folder cannot be read.
        """
        self._is_read = False
        for fd in self._last.values():
            os.close(fd)
        self._last.clear()
        self._owners.clear()
        self._held.clear()
        try:
            names = os.listdir(self._folder)
        except OSError as error:
            raise StorageError(f"lease folder: {error.strerror}") from error
        for name in names:
            if is_address(name):
                self.note(name, self.content(name))
        self._is_read = True

    def look(self, address: str) -> None:
        """Read one address's file again: it may be gone, or somebody else's, by now."""
        content = self.content(address)
        if content is None and not self._is_there(address):
            self.forget(address)
        else:
            self.note(address, content)

    def _is_there(self, address: str) -> bool:
        try:
            os.stat(address, dir_fd=self._folder, follow_symlinks=False)
        except OSError:
            return False
        return True

    def note(self, address: str, content: str | None) -> None:
        """Remember what an address's file says; None: it is no plain file."""
        self.forget(address)
        self._owners[address] = content
        if content:
            self._held.setdefault(content.strip(), {})[address] = None

    def forget(self, address: str) -> None:
        """Remember that an address is free."""
        before = self._owners.pop(address, None)
        if before:
            mine = self._held[before.strip()]
            mine.pop(address)
            if not mine:
                del self._held[before.strip()]

    def is_free(self, address: str) -> bool:
        """Tell whether an address has no file, or an empty one."""
        return self._owners.get(address, "") == ""

    def has(self, address: str) -> bool:
        """Tell whether an address has a file, be it an empty one."""
        return address in self._owners

    def owner(self, address: str) -> str | None:
        """Return an address's content, None when it is free."""
        return self._owners.get(address) or None

    def held_by(self, owner: str) -> tuple[str, ...]:
        """Return the addresses whose files name this owner."""
        return tuple(self._held.get(owner, ()))

    # The files.

    def content(self, name: str) -> str | None:
        """Return a file's text, None when it is absent or no plain file."""
        raw = files.read(self._folder, name, MAX_BYTES)
        return None if raw is None else raw.decode(errors="replace")

    def create(self, address: str, owner: str, *, is_empty: bool) -> bool:
        """Make an address's file, or fill an empty one; False when somebody made it before.

        Raises:
            StorageError: the disk refused; the address is free.
        """
        content = owner.encode()
        exclusive = 0 if is_empty else os.O_EXCL
        try:
            if exclusive and self._spares and self._spares.fill(self._folder, address, content):
                return True
            fd = os.open(address, _WRITE | os.O_CREAT | exclusive, 0o600, dir_fd=self._folder)
        except FileExistsError:
            return False
        except OSError as error:
            raise StorageError(f"lease {address}: {error.strerror}") from error
        try:
            files.write_all(fd, content)
        except OSError as error:
            files.remove(self._folder, address)
            raise StorageError(f"lease {address}: {error.strerror}") from error
        finally:
            os.close(fd)
        return True

    def remove(self, address: str) -> None:
        """Remove an address's file, or keep it for the next one.

        Raises:
            StorageError: the disk refused.
        """
        if self._spares is None or not self._spares.keep(self._folder, address):
            files.remove(self._folder, address)

    def last(self, set_index: int, *, make: bool = False) -> int | None:
        """Return the open file that tells what a set handed out last, None when there is none."""
        if set_index not in self._last:
            flags = _LAST | (os.O_CREAT if make else 0)
            try:
                fd = os.open(f"last_reserved_ip.{set_index}", flags, 0o600, dir_fd=self._folder)
            except FileNotFoundError:
                return None
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.close(fd)
                return None
            self._last[set_index] = fd
        return self._last[set_index]


class FilePool:
    """A shelf while its lock is held: what an IPAM is given for the length of a block."""

    def __init__(self, shelf: Shelf) -> None:
        """Keep the shelf."""
        self._shelf = shelf

    def __enter__(self) -> Self:
        """Take the lock.

        Raises:
            StorageError: the folder cannot be read or locked.
        """
        self._shelf.take()
        return self

    def __exit__(self, *raised: object) -> None:
        """Let others have the lock."""
        self._shelf.let_go()

    def owner(self, address: str) -> str | None:
        """Return an address's content, None when it is free."""
        return self._shelf.owner(address)

    def owned(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Return the addresses of an attachment, legacy id-only files included."""
        owners = (f"{container_id}\r\n{ifname}", container_id)
        for address in [held for owner in owners for held in self._shelf.held_by(owner)]:
            self._shelf.look(address)
        return tuple(held for owner in owners for held in self._shelf.held_by(owner))

    def reserve(self, address: str, container_id: str, ifname: str) -> bool:
        """Create an address's file exclusively; False when somebody has it.

        An empty file is nobody's: whoever made it ended before it could write, since both are done
        under the lock. The reference never gives such an address out again.

        Raises:
            StorageError: the disk refused; the address is free.
        """
        owner = f"{container_id}\r\n{ifname}"
        if self._shelf.has(address):
            self._shelf.look(address)
        while self._shelf.is_free(address):
            if self._shelf.create(address, owner, is_empty=self._shelf.has(address)):
                self._shelf.note(address, owner)
                return True
            self._shelf.look(address)
        return False

    def last_reserved(self, set_index: int) -> str:
        """Return what a set handed out last, empty when unknown."""
        try:
            fd = self._shelf.last(set_index)
            raw = b"" if fd is None else os.pread(fd, MAX_BYTES, 0)
        except OSError:
            return ""
        return raw.decode(errors="replace").strip()

    def keep_last_reserved(self, set_index: int, address: str) -> None:
        """Remember what a set handed out last; a disk that refuses costs the round robin only."""
        content = address.encode()
        try:
            fd = self._shelf.last(set_index, make=True)
            if fd is not None:
                os.pwrite(fd, content, 0)
                if os.fstat(fd).st_size > len(content):
                    os.ftruncate(fd, len(content))
        except OSError as error:
            name = f"last_reserved_ip.{set_index}"
            log.warning("lease.unremembered file=%s cause=%r", name, error.strerror)

    def release(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Free an attachment's addresses, or, without any, legacy id-only ones.

        Raises:
            StorageError: the disk refused.
        """
        freed = self._free(f"{container_id}\r\n{ifname}")
        if not freed:
            self._shelf.read()
            freed = self._free(f"{container_id}\r\n{ifname}") or self._free(container_id)
        return freed

    def _free(self, owner: str) -> tuple[str, ...]:
        freed: list[str] = []
        for address in self._shelf.held_by(owner):
            if (self._shelf.content(address) or "").strip() == owner:
                self._shelf.remove(address)
                freed.append(address)
            self._shelf.forget(address)
        return tuple(freed)


def is_address(name: str) -> bool:
    """Return whether a file of a network's folder is an address's."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
