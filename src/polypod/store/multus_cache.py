"""What Multus and libcni wrote of pods that were attached before a switch: read, and removed after.

Multus's folder has a file CONTAINER with the delegates in order, and
results/NETWORK-CONTAINER-IFNAME with what libcni kept of each attachment. The runtime's own libcni
kept what Multus answered it, or we.
Which plugins are run with all that is the engine's business (takeover.py).
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from polypod.cni import fields, lists, node
from polypod.errors import PolypodError, StorageError
from polypod.store import files
from polypod.store.roots import Roots

MAX_BYTES = 4 << 20
PRIMARY = "eth0"
_TYPES = frozenset({"multus", "multus-shim"})
_OURS = frozenset({"polypod"})
RUNTIME_RESULTS = Path("/var/lib/cni/results")
"""Where runtimes let libcni keep results; none of them can be told another place."""


class _Kept(msgspec.Struct):
    """As much of a result's file as says for whom it is."""

    config: bytes = b""
    ifName: str = ""  # noqa: N815 - libcni's word
    cniArgs: list[tuple[str, str]] | None = None  # noqa: N815 - libcni's word


class MultusCache:
    """Multus's folder (its cniDir), and the runtime's folder of results."""

    def __init__(self, folder: Path, runtime_results: Path = RUNTIME_RESULTS) -> None:
        """Keep the places; they need not exist."""
        self._delegates = folder
        self._results = folder / "results"
        self._runtime_results = runtime_results
        self._roots = Roots(None)

    def delegates(self, container_id: str) -> bytes | None:
        """Return the delegates of a container, None when Multus knows nothing of it."""
        return self._read(self._delegates, container_id)

    def result(self, network: str, container_id: str, ifname: str) -> bytes | None:
        """Return what libcni kept of one attachment, None when there is nothing."""
        return self._read(self._results, f"{network}-{container_id}-{ifname}")

    def forget(self, container_id: str) -> None:
        """Remove the delegates of a container, and what its runtime kept of Multus's answer.

        The runtime would not: it looks for the network that is configured now. Absent is fine.

        Raises:
            StorageError: the disk refused.
        """
        self._forget_answers(container_id, _TYPES)
        self._remove(self._delegates, container_id)

    def forget_ours(self, container_id: str) -> None:
        """Remove what a container's runtime kept of our answer; absent is fine.

        The runtime would not once another network is configured.

        Raises:
            StorageError: the disk refused.
        """
        self._forget_answers(container_id, _OURS)

    def forget_all_of_ours(self) -> None:
        """Remove what the runtime kept of all our answers: it calls others from now on.

        CRI-O ends a pod with the configuration that it kept, and a pod whose plugin is gone never.

        Raises:
            StorageError: the disk refused.
        """
        for path in self.all_of_ours():
            self._remove(self._runtime_results, path.name)

    def all_of_ours(self) -> tuple[Path, ...]:
        """Return the files that `forget_all_of_ours` removes."""
        names = _names(self._runtime_results)
        found = (name for name in names if not _OURS.isdisjoint(self._types(name)))
        return tuple(self._runtime_results / name for name in found)

    def _forget_answers(self, container_id: str, types: frozenset[str]) -> None:
        for name in _names(self._runtime_results):
            if f"-{container_id}-" in name and not types.isdisjoint(self._types(name)):
                self._remove(self._runtime_results, name)

    def forget_result(self, network: str, container_id: str, ifname: str) -> None:
        """Remove what libcni kept of one attachment; absent is fine.

        Raises:
            StorageError: the disk refused.
        """
        self._remove(self._results, f"{network}-{container_id}-{ifname}")

    def of_runtime(self, container_id: str, ifname: str) -> bytes | None:
        """Return what the runtime's libcni kept of a network that is no meta-plugin's, or None.

        A pod has it that was attached before any meta-plugin was there.
        """
        name = self._plain_network(container_id, ifname)
        return self._read(self._runtime_results, name) if name else None

    def forget_of_runtime(self, container_id: str, ifname: str) -> None:
        """Remove what `of_runtime` returns; absent is fine.

        Raises:
            StorageError: the disk refused.
        """
        if name := self._plain_network(container_id, ifname):
            self._remove(self._runtime_results, name)

    def pod_uids(self) -> frozenset[str]:
        """Return the UIDs of pods that have an interface besides their primary's."""
        return frozenset(uid for name in _names(self._results) if (uid := self._uid(name)))

    def containers(self) -> tuple[str, ...]:
        """Return the ids of all containers that Multus still has delegates of."""
        return tuple(name for name in _names(self._delegates) if (self._delegates / name).is_file())

    def _uid(self, name: str) -> str:
        kept = self._kept(self._results, name)
        is_more = kept.ifName not in {"", PRIMARY}
        return dict(kept.cniArgs or ()).get("K8S_POD_UID", "") if is_more else ""

    def _plain_network(self, container_id: str, ifname: str) -> str:
        """Return the name of the runtime's result whose network has no meta-plugin, or nothing."""
        end = f"-{container_id}-{ifname}"
        for name in _names(self._runtime_results):
            types = self._types(name) if name.endswith(end) else frozenset[str]()
            if types and types.isdisjoint(node.META_PLUGINS):
                return name
        return ""

    def _types(self, name: str) -> frozenset[str]:
        """Return the types of the plugins that a result is of; none when it makes no sense."""
        try:
            network = lists.parse_list(self._kept(self._runtime_results, name).config)
        except PolypodError:
            return frozenset()
        return frozenset(fields.text(plugin, "type") for plugin in network.plugins)

    def _kept(self, folder: Path, name: str) -> _Kept:
        try:
            return msgspec.json.decode(self._read(folder, name) or b"{}", type=_Kept)
        except msgspec.DecodeError:
            return _Kept()

    def _read(self, folder: Path, name: str) -> bytes | None:
        if not _is_plain(name) or not folder.is_dir():
            return None
        try:
            with self._roots.opened(folder) as fd:
                return files.read(fd, name, MAX_BYTES)
        except StorageError:
            return None

    def _remove(self, folder: Path, name: str) -> None:
        if not _is_plain(name) or not folder.is_dir():
            return
        with self._roots.opened(folder) as fd:
            files.remove(fd, name)


def _names(folder: Path) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _is_plain(name: str) -> bool:
    return "/" not in name and "\0" not in name and name not in {"", ".", ".."}
