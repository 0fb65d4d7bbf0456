"""Networks that live in files on the node: the primary's, and those a definition only names.

Files are read again when they change, and so are those chained to the primary (chained.py); a
primary that would call a meta-plugin is refused.
"""

from __future__ import annotations

from pathlib import Path

from polypod.cni import fields, lists, node
from polypod.errors import InvalidConfigError, PolypodError, StorageError
from polypod.store import chained

MAX_BYTES = 1 << 20


class NetworkFiles:
    """Reads the primary's configuration file and the folder of named networks."""

    def __init__(self, primary: Path | None, directory: Path | None) -> None:
        """Keep the places; nothing is read yet."""
        self._primary = primary
        self._directory = directory
        self._seen: tuple[object, lists.NetworkList] | None = None
        self._name = ""

    def primary(self) -> lists.NetworkList | None:
        """Return the primary's configuration, None when the node runs without one.

        Raises:
            StorageError: the file cannot be read.
            InvalidConfigError: it is not a network configuration, or names a meta-plugin.
        """
        if self._primary is None:
            return None
        try:
            stamp = self._stamp(self._primary)
            if self._seen is not None and self._seen[0] == stamp:
                return self._seen[1]
            raw = _read(self._primary)
            self._name = _name_of(raw)
            stamp = self._stamp(self._primary)
        except OSError as error:
            raise StorageError(
                f"primary network: {error.strerror}: {self._primary}",
                hint="place the primary's configuration there, or correct --primary",
            ) from error
        files = chained.files_of(self._primary, self._name)
        network = lists.parse_list(chained.extended(raw, files))
        _refuse_meta_plugins(network)
        self._seen = (stamp, network)
        return network

    def _stamp(self, primary: Path) -> object:
        """Return what changes when the primary's file, or one chained to it, does."""
        return chained.stamps((primary, *chained.files_of(primary, self._name)))

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


def _name_of(raw: bytes) -> str:
    """Return a configuration's name, empty when it has none: whoever reads it says so."""
    try:
        return fields.text(fields.decode_object(raw, "primary network"), "name")
    except PolypodError:
        return ""


def _named(path: Path, name: str) -> bytes | None:
    try:
        raw = _read(path)
        return raw if fields.text(fields.decode_object(raw, path.name), "name") == name else None
    except (OSError, PolypodError):
        return None


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _refuse_meta_plugins(network: lists.NetworkList) -> None:
    for plugin in network.plugins:
        if fields.text(plugin, "type") in node.META_PLUGINS:
            raise InvalidConfigError(
                f'primary network "{network.name}" names a meta-plugin: two would call each other',
                hint="name the primary's own configuration, for example 10-flannel.conflist",
            )
