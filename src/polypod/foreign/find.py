"""Looks a foreign plugin up along the search path: regular, executable files only.

A link to our own shim under a plugin's name is not foreign: whoever finds it means the built-in.
"""

from __future__ import annotations

import os
from pathlib import Path

from polypod.cni.quote import quoted
from polypod.errors import NotStartedError

SHIM_NAME = "polypod"


def find(type_: str, path: tuple[str, ...]) -> Path:
    """Return the executable of a type.

    Raises:
        NotStartedError: the type is not a plain name, or there is no such executable.
    """
    if not type_:
        raise NotStartedError("no plugin name provided")
    if not _is_plain(type_):
        raise NotStartedError(f"invalid plugin name: {type_[:100]}")
    if not path:
        raise NotStartedError("no paths provided")
    executable = _executable(type_, path)
    if executable is None:
        raise NotStartedError(
            f"failed to find plugin {quoted(type_[:100])} in path [{' '.join(path)}]",
            hint="install it there, or use a built-in type",
        )
    return executable


def is_found(type_: str, path: tuple[str, ...]) -> bool:
    """Tell whether there is an executable of that type that is not our own shim."""
    executable = _executable(type_, path) if _is_plain(type_) else None
    try:
        return executable is not None and executable.resolve().name != SHIM_NAME
    except OSError:
        return False


def _is_plain(type_: str) -> bool:
    return type_ not in {"", ".", ".."} and "/" not in type_ and "\0" not in type_


def _executable(type_: str, path: tuple[str, ...]) -> Path | None:
    for folder in path:
        candidate = f"{folder}/{type_}"  # looked for by every ADD, and mostly not there
        if folder.startswith("/") and os.access(candidate, os.X_OK):
            executable = Path(candidate)
            if executable.is_file():
                return executable
    return None
