"""What Multus and libcni wrote of pods that were attached before a switch: read, and removed after.

`multus/CONTAINER` holds the delegates in order, `results/NETWORK-CONTAINER-IFNAME` what libcni kept
of one attachment. Which plugins are run with them is the engine's business (takeover.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from polypod.errors import StorageError
from polypod.store import files
from polypod.store.roots import Roots

MAX_BYTES = 4 << 20
PRIMARY = "eth0"


class _Kept(msgspec.Struct):
    """As much of a result's file as says for whom it is."""

    ifName: str = ""  # noqa: N815 - libcni's word
    cniArgs: list[tuple[str, str]] | None = None  # noqa: N815 - libcni's word


class MultusCache:
    """The two folders, usually below /var/lib/cni."""

    def __init__(self, root: Path) -> None:
        """Keep the place; it need not exist."""
        self._root = root
        self._roots = Roots(None)

    def delegates(self, container_id: str) -> bytes | None:
        """Return the delegates of a container, None when Multus knows nothing of it."""
        return self._read("multus", container_id)

    def result(self, network: str, container_id: str, ifname: str) -> bytes | None:
        """Return what libcni kept of one attachment, None when there is nothing."""
        return self._read("results", f"{network}-{container_id}-{ifname}")

    def forget(self, container_id: str) -> None:
        """Remove the delegates of a container; absent is fine.

        Raises:
            StorageError: the disk refused.
        """
        self._remove("multus", container_id)

    def forget_result(self, network: str, container_id: str, ifname: str) -> None:
        """Remove what libcni kept of one attachment; absent is fine.

        Raises:
            StorageError: the disk refused.
        """
        self._remove("results", f"{network}-{container_id}-{ifname}")

    def pod_uids(self) -> frozenset[str]:
        """Return the UIDs of pods that have an interface besides their primary's."""
        results = self._root / "results"
        names = os.listdir(results) if results.is_dir() else []
        return frozenset(uid for name in names if (uid := self._uid(name)))

    def _uid(self, name: str) -> str:
        try:
            kept = msgspec.json.decode(self._read("results", name) or b"{}", type=_Kept)
        except msgspec.DecodeError:
            return ""
        is_more = kept.ifName not in {"", PRIMARY}
        return dict(kept.cniArgs or ()).get("K8S_POD_UID", "") if is_more else ""

    def _read(self, folder: str, name: str) -> bytes | None:
        if not _is_plain(name) or not (self._root / folder).is_dir():
            return None
        try:
            with self._roots.opened(self._root / folder) as fd:
                return files.read(fd, name, MAX_BYTES)
        except StorageError:
            return None

    def _remove(self, folder: str, name: str) -> None:
        if not _is_plain(name) or not (self._root / folder).is_dir():
            return
        with self._roots.opened(self._root / folder) as fd:
            files.remove(fd, name)


def _is_plain(name: str) -> bool:
    return "/" not in name and "\0" not in name and name not in {"", ".", ".."}
