"""Takes Polypod's files off a node whose agent could not: only what is ours, told by its content.

`polypod uninstall` calls it, on a node or in a pod with the node's folders. Finding and removing
are two steps, so that a dry run shows what would go. What is still attached is not its business.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from polypod.cni import fields, lists, node
from polypod.errors import PolypodError, StorageError
from polypod.install import place
from polypod.store.multus_cache import MultusCache

STATE_FILES = ("journal.db", "lock")
"""What makes a folder known as a state folder of ours."""
TYPE = "polypod"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folders:
    """Where a node may have files of ours."""

    conf: Path
    shim: Path
    socket: Path
    state: Path
    results: Path
    """Where the runtime keeps what plugins answered, and by which configuration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is there."""

    ours: tuple[Path, ...]
    """To be removed, in this order: the configuration first, so that the runtime is free, and the
    shim after what would have the runtime call it again."""
    kept: tuple[Path, ...] = ()
    """Names of ours with somebody else's content."""
    next_configuration: str = ""
    """What the runtime reads once ours is gone; empty when there is nothing to read."""


def find(folders: Folders, *, with_state: bool) -> Found:
    """Look for our files; `with_state` adds what only an uninstallation for good may take."""
    conf, strangers = _configurations(folders.conf)
    shim = place.look(folders.shim)
    answers = MultusCache(folders.results / "none", folders.results).all_of_ours()
    found = [*conf, *answers, *shim.ours, *_if_there(folders.socket)]
    if with_state:
        found += _state(folders.state)
    return Found(
        ours=tuple(found),
        kept=(*strangers, *shim.kept),
        next_configuration=_next(folders.conf, conf),
    )


def remove(found: Found) -> None:
    """Remove what is ours; what went meanwhile is fine.

    Raises:
        StorageError: a folder refuses; everything else is removed all the same.
    """
    refused: list[OSError] = []
    for path in found.ours:
        try:
            _remove(path)
        except FileNotFoundError:
            continue
        except OSError as error:
            refused.append(error)
    if refused:
        raise StorageError(
            f"{refused[0].strerror}: {refused[0].filename}",
            hint="become root, or see that the folder is not mounted read-only",
        )


def _remove(path: Path) -> None:
    if not path.is_dir() or path.is_symlink():
        path.unlink(missing_ok=True)
        return
    for inner in path.iterdir():
        if inner.is_dir() and not inner.is_symlink():
            shutil.rmtree(inner)
        else:
            inner.unlink(missing_ok=True)
    try:
        path.rmdir()
    except OSError as error:
        if error.errno != errno.EBUSY:  # a pod's mount: the empty folder itself stays
            raise


def is_configuration_of_ours(content: bytes) -> bool:
    """Tell whether a configuration calls the shim."""
    try:
        network = lists.parse_list(content)
    except PolypodError:
        return False
    return any(fields.text(plugin, "type") == TYPE for plugin in network.plugins)


def _configurations(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return our configurations, put aside or not, and files of others that have our name."""
    ours: list[Path] = []
    strangers: list[Path] = []
    for path in _files(folder):
        content = _content(path)
        named = path.name.lstrip(".").startswith(node.OURS)
        if is_configuration_of_ours(content) or (named and not content.strip()):
            ours.append(path)  # an empty one is what a full disk or a crash left of it
        elif named:
            strangers.append(path)
    return ours, strangers


def _next(folder: Path, gone: Iterable[Path]) -> str:
    for path in _files(folder):
        if path in gone or not node.is_configuration(path.name):
            continue
        try:
            lists.parse_list(_content(path))
        except PolypodError:
            continue
        return path.name
    return ""


def _state(folder: Path) -> list[Path]:
    """Return the state folder, if it is one."""
    return [folder] if any((folder / name).exists() for name in STATE_FILES) else []


def _if_there(path: Path) -> list[Path]:
    return [path] if os.path.lexists(path) else []


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file()]
    except OSError:
        return []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()[: 1 << 20]
    except OSError:
        return b"\0"
