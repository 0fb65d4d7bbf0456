"""Puts another meta-plugin's configuration aside on a node, and back: one rename each.

The runtime reads no file with the ending that is added. The file itself is kept: the way back is
its old name.
"""

from __future__ import annotations

from pathlib import Path

from polypod.cni import fields, lists, node
from polypod.errors import ConflictError, PolypodError, StorageError

ENDING = ".before-polypod"
TYPES = node.META_PLUGINS - {"polypod"}


def put_aside(folder: Path) -> tuple[Path, ...]:
    """Rename every configuration that calls another meta-plugin; return the new names.

    Raises:
        StorageError: the folder cannot be read or written.
    """
    return tuple(
        _rename(path, path.with_name(path.name + ENDING))
        for path in _files(folder)
        if node.is_configuration(path.name) and _is_meta(path)
    )


def put_back(folder: Path) -> tuple[Path, ...]:
    """Give every file that was put aside its old name; return the names.

    Raises:
        ConflictError: somebody wrote another file of that name meanwhile.
        StorageError: the folder cannot be read or written.
    """
    found: list[Path] = []
    for path in _files(folder):
        if not path.name.endswith(ENDING):
            continue
        old = path.with_name(path.name.removesuffix(ENDING))
        if old.exists():
            raise ConflictError(
                f"{old} is there again", hint=f"compare it with {path}, and remove one of them"
            )
        found.append(_rename(path, old))
    return tuple(found)


def _is_meta(path: Path) -> bool:
    try:
        network = lists.parse_list(path.read_bytes())
    except (OSError, PolypodError):
        return False
    return any(fields.text(plugin, "type") in TYPES for plugin in network.plugins)


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError as error:
        raise StorageError(f"{error.strerror}: {folder}", hint="say where it is") from error


def _rename(path: Path, new: Path) -> Path:
    try:
        path.rename(new)
    except OSError as error:
        raise StorageError(f"{error.strerror}: {path}", hint="become root") from error
    return new
