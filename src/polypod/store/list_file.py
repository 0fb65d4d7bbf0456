"""One network's configuration at a path: a file, with the plugins chained to it, or a folder.

Files are read again when they change, and so are those chained to a list (chained.py). Of a folder
the first configuration by name is meant that names no meta-plugin.
"""

from __future__ import annotations

from pathlib import Path

from polypod.cni import fields, lists, node
from polypod.errors import InvalidConfigError, PolypodError, StorageError
from polypod.store import chained

MAX_BYTES = 1 << 20


class ListFile:
    """Reads one path."""

    def __init__(self, path: Path) -> None:
        """Keep the place; nothing is read yet."""
        self._path = path
        self._seen: tuple[object, lists.NetworkList] | None = None
        self._name = ""

    def read(self) -> lists.NetworkList:
        """Return the network.

        Raises:
            StorageError: it cannot be read.
            InvalidConfigError: it is not a network configuration, or names a meta-plugin.
        """
        try:
            if self._path.is_dir():
                return _first_of(self._path)
            stamp = self._stamp()
            if self._seen is not None and self._seen[0] == stamp:
                return self._seen[1]
            raw = read_bounded(self._path)
            self._name = _name_of(raw)
            stamp = self._stamp()
        except OSError as error:
            raise StorageError(
                f"primary network: cannot find network: {error.strerror}: {self._path}",
                hint="place the configuration there, or correct --primary or clusterNetwork",
            ) from error
        files = chained.files_of(self._path, self._name)
        network = lists.parse_list(chained.extended(raw, files))
        _refuse_meta_plugins(network)
        self._seen = (stamp, network)
        return network

    def _stamp(self) -> object:
        """Return what changes when the file, or one chained to it, does."""
        return chained.stamps((self._path, *chained.files_of(self._path, self._name)))


def read_bounded(path: Path) -> bytes:
    """Return a file's content, as far as a configuration may be long.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return file.read(MAX_BYTES)


def _first_of(folder: Path) -> lists.NetworkList:
    content = {
        path.name: read_bounded(path)
        for path in folder.iterdir()
        if node.is_configuration(path.name) and path.is_file()
    }
    found = node.choose(content)
    if found is None:
        raise StorageError(
            f"primary network: cannot find network: no configuration in {folder}",
            hint="place the configuration there, or correct --primary or clusterNetwork",
        )
    return found[1]


def _name_of(raw: bytes) -> str:
    """Return a configuration's name, empty when it has none: whoever reads it says so."""
    try:
        return fields.text(fields.decode_object(raw, "primary network"), "name")
    except PolypodError:
        return ""


def _refuse_meta_plugins(network: lists.NetworkList) -> None:
    for plugin in network.plugins:
        if fields.text(plugin, "type") in node.META_PLUGINS:
            raise InvalidConfigError(
                f'primary network "{network.name}" names a meta-plugin: two would call each other',
                hint="name the primary's own configuration, for example 10-flannel.conflist",
            )
