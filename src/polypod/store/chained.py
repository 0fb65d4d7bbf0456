"""Plugins that a node's operator chains to the primary: files beside its list, in a folder.

As libcni does: to `DIR/10-flannel.conflist` of name `cbr0` every `DIR/cbr0/*.conf`, by alphabet,
is added as one more plugin, unless the list says `loadOnlyInlinedPlugins`.

An auxiliary chain, as Multus has it, is a network of its own made of such files: it runs after all
others, whatever the primary is called.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, cast

from polypod.cni import encode, fields, lists
from polypod.cni.config import name_pattern
from polypod.errors import DecodeError, InvalidConfigError, PolypodError

log = logging.getLogger("polypod.node")
MAX_BYTES = 1 << 20
Stamp: TypeAlias = tuple[str, int, int, int]


def files_of(path: Path, name: str) -> tuple[Path, ...]:
    """Return the files that are chained to a list of that name, in order."""
    if path.suffix != ".conflist" or not name_pattern.fullmatch(name):
        return ()
    return _in_folder(path.parent / name)


def _in_folder(folder: Path) -> tuple[Path, ...]:
    try:
        found = sorted(folder.iterdir())
    except OSError:
        return ()
    return tuple(file for file in found if file.suffix == ".conf" and file.is_file())


def auxiliary(folder: Path, name: str, cni_version: str) -> lists.NetworkList | None:
    """Return the chain `folder/name/*.conf`; None without files, or when one of them is broken.

    As with Multus a broken chain keeps no pod from starting. Its first plugin does nothing: it
    gives the others a result to go on from.
    """
    files = _in_folder(folder / name)
    if not files:
        return None
    try:
        plugins = [{"type": "passthru"}, *(_plugin(file) for file in files)]
        listed = {
            "cniVersion": cni_version,
            "name": name,
            "disableCheck": True,  # plugins would look for an interface that the chain never had
            "plugins": plugins,
        }
        return lists.parse_list(encode.compact(listed))
    except PolypodError as error:
        log.error("chain.skipped name=%s cause=%r", name, error.cause)  # noqa: TRY400
        return None


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
