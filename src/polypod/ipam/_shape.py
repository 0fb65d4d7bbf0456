"""What every built-in IPAM looks like: a choice over a pool that somebody else makes durable."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

import msgspec

from polypod.cni.result import Result


class LeaseCall(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One IPAM invocation; config is the whole plugin configuration, which holds `ipam`."""

    container_id: str
    ifname: str
    network: str
    cni_version: str
    config: Mapping[str, object]
    arguments: str = ""
    prev_result: Result | None = None
    notes: dict[str, object] = msgspec.field(default_factory=dict[str, object])
    """What was read out of the configuration, since each of a plugin's methods reads it.

    It may be the notes of an earlier call of the same network: keep only what configuration and
    CNI_ARGS decide, under the plugin's type.
    """


class Pool(Protocol):
    """The durable side of one network's addresses, held under its lock (host-local's files)."""

    def owner(self, address: str) -> str | None:
        """Return the file content of an address (`id` CR LF `ifname`), None when it is free."""
        ...

    def owned(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Return the addresses of this attachment (legacy id-only files included)."""
        ...

    def reserve(self, address: str, container_id: str, ifname: str) -> bool:
        """Create the address's file exclusively; False when somebody has it."""
        ...

    def last_reserved(self, set_index: int) -> str:
        """Return what the set handed out last, empty when unknown."""
        ...

    def keep_last_reserved(self, set_index: int, address: str) -> None:
        """Remember what the set handed out last."""
        ...

    def release(self, container_id: str, ifname: str) -> tuple[str, ...]:
        """Free this attachment's addresses, or, without any, legacy id-only ones; return them."""
        ...


class Pools(Protocol):
    """Opens pools, and reads the one other file that host-local is told of."""

    def locked(self, directory: str, network: str) -> AbstractContextManager[Pool]:
        """Hold `<directory>/<network>/lock`; directory empty for the default."""
        ...

    def resolv_conf(self, path: str) -> str:
        """Return the text of a resolv.conf; StorageError when it cannot be read."""
        ...


class Ipam(Protocol):
    """A built-in IPAM plugin."""

    @property
    def versions(self) -> tuple[str, ...]:
        """CNI versions spoken, oldest first."""
        ...

    def pool_directory(self, call: LeaseCall) -> str | None:
        """Validate the configuration; return dataDir ('' for the default), None without a pool."""
        ...

    def add(self, call: LeaseCall, pools: Pools) -> Result:
        """Choose and reserve; on failure nothing stays reserved."""
        ...

    def delete(self, call: LeaseCall, pools: Pools) -> None:
        """Release; nothing to release is success."""
        ...

    def check(self, call: LeaseCall, pools: Pools) -> None:
        """Raise PluginError when the attachment's address is unknown."""
        ...
