"""Journal, address pools and backups in memory."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator

import msgspec

from polypod.errors import InvalidConfigError, PolypodError, StorageError
from polypod.plan.ops import KeepBackup, RestoreBackup, StoreOp
from polypod.plan.record import Record
from polypod.testing.clock import Trace

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


class FakeJournal:
    """Records by key, through JSON as on disk; `full` makes every put fail."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin empty."""
        self.full = False
        self._records: dict[tuple[str, str, str], bytes] = {}
        self._lock = threading.Lock()
        self._trace = trace or Trace()

    def put(self, *records: Record) -> None:
        """Insert or replace records: all of them, or none.

        Raises:
            StorageError: the disk is full.
        """
        for record in records:
            self._trace.stop("journal.put", f"{record.ifname} steps={len(record.steps)}")
        if self.full:
            raise StorageError("journal: database or disk is full")
        with self._lock:
            self._records.update((_record_key(record), _encode(record)) for record in records)

    def remove(self, *records: Record) -> None:
        """Forget records; absent is fine, and so is a full disk."""
        for record in records:
            self._trace.stop("journal.remove", record.ifname)
        with self._lock:
            for record in records:
                self._records.pop(_record_key(record), None)

    def has_pod(self, namespace: str, name: str, *, besides: str) -> bool:
        """Tell whether a container of this pod has a record, other than the one `besides`."""
        return any(
            (r.pod_namespace, r.pod_name) == (namespace, name) and r.container_id != besides
            for r in self.all()
        )

    def of_container(self, container_id: str) -> tuple[Record, ...]:
        """Return a container's records in order of position."""
        self._trace.stop("journal.of_container")
        return tuple(record for record in self.all() if record.container_id == container_id)

    def all(self) -> tuple[Record, ...]:
        """Return every record, container by container."""
        with self._lock:
            found = [_decode(raw) for raw in self._records.values()]
        return tuple(sorted(found, key=lambda record: (record.container_id, record.position)))


def _record_key(record: Record) -> tuple[str, str, str]:
    return record.container_id, record.network, record.ifname


class FakePool:
    """One network's addresses, while its lock is held."""

    def __init__(self, content: dict[str, str], last: dict[int, str], trace: Trace) -> None:
        """Keep the network's tables."""
        self._content = content
        self._last = last
        self._trace = trace

    def owner(self, address: str) -> str | None:
        """Return an address's content, None when it is free."""
        return self._content.get(address)

    def owned(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Return the addresses of an attachment, legacy id-only ones included."""
        mine = {f"{container_id}\r\n{ifname}", container_id}
        return tuple(address for address, owner in self._content.items() if owner.strip() in mine)

    def reserve(self, address: str, container_id: str, ifname: str) -> bool:
        """Take an address; False when somebody has it."""
        if address in self._content:
            return False
        self._trace.stop("pool.reserve", address)
        self._content[address] = f"{container_id}\r\n{ifname}"
        return True

    def last_reserved(self, set_index: int) -> str:
        """Return what a set handed out last, empty when unknown."""
        return self._last.get(set_index, "")

    def keep_last_reserved(self, set_index: int, address: str) -> None:
        """Remember what a set handed out last."""
        self._last[set_index] = address

    def release(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Free an attachment's addresses, or, without any, legacy id-only ones."""
        self._trace.stop("pool.release", ifname)
        return self._free(f"{container_id}\r\n{ifname}") or self._free(container_id)

    def _free(self, content: str) -> tuple[str, ...]:
        freed = tuple(a for a, owner in self._content.items() if owner.strip() == content)
        for address in freed:
            del self._content[address]
        return freed


class FakePools:
    """Pools by (folder, network), each under a lock of its own."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin empty."""
        self.pools: dict[tuple[str, str], dict[str, str]] = {}
        self.resolv_confs: dict[str, str] = {}
        self._last: dict[tuple[str, str], dict[int, str]] = {}
        self._locks: dict[tuple[str, str], threading.Lock] = {}
        self._trace = trace or Trace()

    @contextlib.contextmanager
    def locked(self, directory: str, network: str) -> Generator[FakePool]:
        """Hold a network's lock.

        Raises:
            InvalidConfigError: the network's name is not a plain one.
        """
        if not network or "/" in network or network in {".", ".."} or "\0" in network:
            raise InvalidConfigError(f"invalid network name {network[:100]!r}")
        key = (directory, network)
        with self._locks.setdefault(key, threading.Lock()):
            yield FakePool(
                self.pools.setdefault(key, {}), self._last.setdefault(key, {}), self._trace
            )

    def resolv_conf(self, path: str) -> str:
        """Return the text of a resolv.conf.

        Raises:
            StorageError: there is none.
        """
        if path not in self.resolv_confs:
            raise StorageError(f"open {path[:200]}: no such file or directory", code=999)
        return self.resolv_confs[path]

    def held(self) -> dict[str, str]:
        """Return every address that is taken, with its owner."""
        return {address: owner for pool in self.pools.values() for address, owner in pool.items()}


class FakeBackups:
    """Backups by (folder, name)."""

    def __init__(self) -> None:
        """Begin empty; `fault`, when set, is raised by every apply."""
        self.contents: dict[tuple[str, str], str] = {}
        self.fault: PolypodError | None = None
        self.allowlist: tuple[str, ...] | None = None

    def allowed_sysctls(self) -> tuple[str, ...] | None:
        """Return the allowlist of sysctls that a test set."""
        return self.allowlist

    def apply(self, op: StoreOp) -> None:
        """Write a backup, or remove one that was put back.

        Raises:
            InvalidConfigError: the name is not a plain one.
        """
        if self.fault is not None:
            raise self.fault
        key = _key(op.directory, op.name)
        match op:
            case KeepBackup():
                self.contents[key] = op.content
            case RestoreBackup():
                self.contents.pop(key, None)

    def undo(self, op: StoreOp) -> None:
        """Remove a backup that was written; absent is fine."""
        if isinstance(op, KeepBackup):
            self.contents.pop(_key(op.directory, op.name), None)

    def read(self, directory: str, name: str) -> bytes | None:
        """Return a backup's content, None when there is none."""
        found = self.contents.get(_key(directory, name))
        return None if found is None else found.encode()


def _key(directory: str, name: str) -> tuple[str, str]:
    if "/" in name or "\0" in name or name in {"", ".", ".."}:
        raise InvalidConfigError(f"invalid backup name {name[:100]!r}")
    return directory, name
