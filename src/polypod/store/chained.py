"""Plugins that a node's operator chains to the primary: files beside its list, in a folder.

As libcni does: to `DIR/10-flannel.conflist` of name `cbr0` every `DIR/cbr0/*.conf`, by alphabet,
is added as one more plugin, unless the list says `loadOnlyInlinedPlugins`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from polypod.cni import encode, fields
from polypod.cni.config import name_pattern
from polypod.errors import DecodeError, InvalidConfigError

MAX_BYTES = 1 << 20
Stamp: TypeAlias = tuple[str, int, int, int]


def files_of(path: Path, name: str) -> tuple[Path, ...]:
    """Return the files that are chained to a list of that name, in order."""
    if path.suffix != ".conflist" or not name_pattern.fullmatch(name):
        return ()
    try:
        found = sorted((path.parent / name).iterdir())
    except OSError:
        return ()
    return tuple(file for file in found if file.suffix == ".conf" and file.is_file())


def stamps(files: Sequence[Path]) -> tuple[Stamp, ...]:
    """Return what changes when a file does.

    Raises:
        OSError: one is gone by now.
    """
    seen = [(file, file.stat()) for file in files]
    return tuple((str(file), s.st_mtime_ns, s.st_size, s.st_ino) for file, s in seen)


def extended(raw: bytes, files: Sequence[Path]) -> bytes:
    """Return a list's configuration with the chained plugins at its end.

    Raises:
        DecodeError: the list is not a JSON object.
        InvalidConfigError: a file is not a plugin's configuration.
    """
    decoded = fields.decode_object(raw, "error parsing configuration list")
    if not files or _is_closed(decoded):
        return raw
    own = fields.get(decoded, "plugins")
    if own is not None and not isinstance(own, list):
        return raw  # whoever reads the list says what is wrong with it
    inlined = cast("list[object]", own or [])
    key = fields.name_of(decoded, "plugins") or "plugins"
    return encode.compact({**decoded, key: [*inlined, *(_plugin(file) for file in files)]})


def _is_closed(decoded: Mapping[str, object]) -> bool:
    said = fields.get(decoded, "loadOnlyInlinedPlugins")
    return said is True or (isinstance(said, str) and said.lower() == "true")


def _plugin(file: Path) -> Mapping[str, object]:
    try:
        with file.open("rb") as opened:
            plugin = fields.decode_object(opened.read(MAX_BYTES), "error parsing configuration")
        if fields.text(plugin, "type"):
            return plugin
    except (OSError, DecodeError) as error:
        raise InvalidConfigError(f"{file}: {error}") from error
    raise InvalidConfigError(f"{file}: error parsing configuration: missing 'type'")
