"""Places the shim on a node, and takes it away: atomically, and never somebody else's file.

It decides how files get into place; which folder, and whether links are wanted, is left to whoever
calls. A running shim is no obstacle: its file is replaced, never written to.
"""

from __future__ import annotations

import os
import platform
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polypod
from polypod.errors import ConflictError, StorageError, UnsupportedError

SHIM_NAME: Final = "polypod"
LINK_NAMES: Final = (
    "bridge",
    "macvlan",
    "ipvlan",
    "loopback",
    "passthru",
    "tuning",
    "host-local",
    "static",
)
_TEMPORARY: Final = ".polypod-"
_MARK: Final = b" plugin polypod-"
"""What every release of the shim says of itself, and so holds."""


@dataclass(frozen=True, slots=True)
class Placed:
    """What is ours in a folder now, and which names belong to others."""

    ours: tuple[Path, ...]
    kept: tuple[Path, ...]


def shim_binary() -> Path:
    """Find the shim for this machine: in the installed wheel, or in the checkout's build folder.

    Raises:
        UnsupportedError: it was not built for this machine.
    """
    machine = platform.machine()
    arch = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    package = Path(polypod.__file__).resolve().parent
    places = (package / "shim" / arch, package.parents[1] / "build" / "shim" / arch)
    for folder in places:
        if (folder / SHIM_NAME).is_file():
            return folder / SHIM_NAME
    raise UnsupportedError(
        f"there is no shim for {arch}",
        hint="install Polypod's wheel, or run `python shim/build.py` in a checkout",
    )


def install_shim(directory: Path, *, links: bool) -> Placed:
    """Place the shim, and links under plugin names if wanted.

    Raises:
        UnsupportedError: there is no shim for this machine.
        ConflictError: somebody else's program has the shim's name.
        StorageError: the folder cannot be written.
    """
    content = shim_binary().read_bytes()
    target = directory / SHIM_NAME
    try:
        if os.path.lexists(target) and not is_ours(target):
            raise ConflictError(
                f"{target} is not a shim of Polypod",
                hint="move that file away, or choose another folder",
            )
        _place(content, target)
        names = [directory / name for name in LINK_NAMES] if links else []
        linked = [path for path in names if _link(path)]
        _sync(directory)
    except OSError as error:
        raise StorageError(
            f"cannot place the shim in {directory}: {error.strerror}",
            hint="the folder must be there and writable",
        ) from error
    return Placed((target, *linked), tuple(path for path in names if path not in linked))


def remove_shim(directory: Path) -> Placed:
    """Take away the shim and every link to it; of a folder without them nothing is changed.

    Raises:
        StorageError: the folder cannot be written.
    """
    try:
        found = look(directory)
        for path in found.ours:
            path.unlink(missing_ok=True)
        if directory.is_dir():
            _sync(directory)
    except OSError as error:
        raise StorageError(
            f"cannot take the shim out of {directory}: {error.strerror}",
            hint="the folder must be writable",
        ) from error
    return found


def look(directory: Path) -> Placed:
    """Return what is ours in a folder, and which of our names belong to others."""
    target = directory / SHIM_NAME
    names = [directory / name for name in LINK_NAMES]
    ours = [path for path in names if _is_link(path)]
    ours += [path for path in directory.glob(f"{_TEMPORARY}*") if path.is_file()]
    ours += [target] if is_ours(target) else []
    return Placed(
        tuple(ours),
        tuple(path for path in (*names, target) if path not in ours and os.path.lexists(path)),
    )


def is_ours(path: Path) -> bool:
    """Tell whether a file is a shim, of whatever release."""
    return path.is_file() and not path.is_symlink() and _MARK in path.read_bytes()


def _place(content: bytes, target: Path) -> None:
    if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
        if target.stat().st_mode & 0o777 != 0o755:
            target.chmod(0o755)
        return
    fd, name = tempfile.mkstemp(prefix=_TEMPORARY, dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), 0o755)
            os.fsync(file.fileno())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _link(path: Path) -> bool:
    """Link to the shim by name, so that a newer shim is reached too; say whether it is our link."""
    try:
        path.symlink_to(SHIM_NAME)
    except FileExistsError:
        return _is_link(path)
    return True


def _is_link(path: Path) -> bool:
    return path.is_symlink() and os.readlink(path) == SHIM_NAME


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
