"""Places the shim on a node: atomically, and never over somebody else's file.

It decides how files get into place; which folder, and whether links are wanted, is left to whoever
calls.
"""

from __future__ import annotations

import os
import platform
import tempfile
from pathlib import Path
from typing import Final

import polypod
from polypod.errors import StorageError, UnsupportedError

SHIM_NAME: Final = "polypod"
LINK_NAMES: Final = ("bridge", "macvlan", "ipvlan", "loopback", "tuning", "host-local", "static")


def shim_binary() -> Path:
    """Find the shim for this machine: in the installed wheel, or in the checkout's build folder."""
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


def install_shim(directory: Path, *, links: bool) -> list[Path]:
    """Place the shim, and links under plugin names if wanted; return the paths that are ours."""
    try:
        target = directory / SHIM_NAME
        _place(shim_binary().read_bytes(), target)
        ours = [target]
        if links:
            ours += [path for name in LINK_NAMES if _link(path := directory / name)]
        _sync(directory)
    except OSError as error:
        raise StorageError(f"cannot place the shim in {directory}: {error.strerror}") from error
    return ours


def _place(content: bytes, target: Path) -> None:
    if target.is_file() and not target.is_symlink() and target.read_bytes() == content:
        if target.stat().st_mode & 0o777 != 0o755:
            target.chmod(0o755)
        return
    fd, name = tempfile.mkstemp(prefix=".polypod-", dir=target.parent)
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
        return path.is_symlink() and os.readlink(path) == SHIM_NAME
    return True


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
