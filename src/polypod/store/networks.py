"""Networks that live in files on the node: the primary's, and those that are only named.

How one is read, and when again, is list_file.py's; what is chained to it, chained.py's.
"""

from __future__ import annotations

from pathlib import Path

from polypod.cni import fields, lists
from polypod.errors import PolypodError
from polypod.store import chained
from polypod.store.list_file import ListFile, read_bounded


class NetworkFiles:
    """Reads the primary's configuration file and the folder of named networks."""

    def __init__(self, primary: Path | None, directory: Path | None) -> None:
        """Keep the places; nothing is read yet."""
        self._primary = primary
        self._directory = directory
        self._files: dict[str, ListFile] = {}

    def primary(self) -> lists.NetworkList | None:
        """Return the primary's configuration, None when the node runs without one.

        Raises:
            StorageError: the file cannot be read.
            InvalidConfigError: it is not a network configuration, or names a meta-plugin.
        """
        return None if self._primary is None else self.at(str(self._primary))

    def at(self, path: str) -> lists.NetworkList:
        """Return the configuration at a path that the operator named: a file, or a folder of some.

        Raises:
            StorageError: it cannot be read.
            InvalidConfigError: it is not a network configuration, or names a meta-plugin.
        """
        known = self._files.get(path)
        if known is None:
            known = self._files.setdefault(path, ListFile(Path(path)))
        return known.read()

    def by_name(self, name: str) -> bytes | None:
        """Return the first configuration of that name; broken files are passed over."""
        if self._directory is None:
            return None
        try:
            paths = sorted(self._directory.iterdir())
        except OSError:  # not there, or not to be read: there is no such network
            return None
        for path in paths:
            if path.suffix in {".conf", ".json", ".conflist"} and path.is_file():
                raw = _named(path, name)
                if raw is not None:
                    return raw
        return None

    def auxiliary(self, name: str, cni_version: str) -> lists.NetworkList | None:
        """Return the chain of that name beside the primary's file, None when there is none."""
        folder = self._primary.parent if self._primary is not None else None
        return chained.auxiliary(folder, name, cni_version) if folder is not None else None


def _named(path: Path, name: str) -> bytes | None:
    try:
        raw = read_bounded(path)
        return raw if fields.text(fields.decode_object(raw, path.name), "name") == name else None
    except (OSError, PolypodError):
        return None
