"""The daemon's configuration file, YAML or JSON; its keys are nad/node_settings.py's.

A file that is not there, in a folder that is, counts as empty: the manifests mount a folder whose
ConfigMap may be missing. It is read once, at the start.
"""

from __future__ import annotations

import contextlib
import logging
from pathlib import Path
from typing import Any, ClassVar, cast

import msgspec
import yaml

from polypod.daemon.lines import fields
from polypod.errors import DecodeError, StorageError
from polypod.nad import multus_settings
from polypod.nad.node_settings import MAX_BYTES, NodeSettings, Reading, Verdict

log = logging.getLogger("polypod.settings")
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("null", "bool", "int", "float", "str"))
_PLAIN = frozenset({*_TAGS, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map", None})


class _Loader(_Safe):  # type: ignore[misc]  # which of the two is known at run time
    """Makes what JSON can say; a date or bytes, and what else YAML knows, is an error."""

    yaml_constructors: ClassVar[dict[Any, Any]] = {
        tag: make for tag, make in _Safe.yaml_constructors.items() if tag in _PLAIN
    }


def read(path: Path) -> Reading:
    """Return what the file says, or the defaults when it is not there.

    Raises:
        StorageError: it cannot be read, or its folder is not there.
        DecodeError: it is not one YAML mapping.
        InvalidConfigError: a value of the wrong type, with the file and the key.
    """
    if path.parent.is_dir() and not path.exists():
        return Reading(settings=NodeSettings())
    return parse(_content(path), str(path))


def parse(raw: bytes, where: str) -> Reading:
    """Return what a file's content says; `where` names it in errors.

    Raises:
        DecodeError: it is not one YAML mapping.
        InvalidConfigError: a value of the wrong type, with the file and the key.
    """
    return multus_settings.read(_table(raw, where), where)


def tell(reading: Reading, path: Path) -> None:
    """Say in the log what became of the file's keys."""
    if not path.exists():
        log.warning("settings.absent file=%s hint=%r", path, "the defaults are in force")
        return
    log.info("settings.read file=%s keys=%s", path, ",".join(sorted(reading.given)) or "none")
    for note in reading.notes:
        key, verdict = note.key, note.verdict.value
        if note.verdict in _HARMLESS:
            log.info("settings.key %s", fields(key=key, verdict=verdict, hint=note.text))
        else:
            log.warning("settings.key %s", fields(key=key, verdict=verdict, hint=note.text))


_HARMLESS = frozenset({Verdict.TRANSLATED, Verdict.WITHOUT_EFFECT})


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise StorageError(
            f"configuration file: {error.strerror}: {path}",
            hint="correct --config, or place the file there",
        ) from error


def _decoded(raw: bytes) -> object:
    with contextlib.suppress(msgspec.DecodeError):  # JSON may be indented by tabs, YAML not
        return msgspec.json.decode(raw)
    return yaml.load(raw, Loader=_Loader)  # noqa: S506 - a safe loader


def _table(raw: bytes, where: str) -> dict[str, object]:
    if len(raw) > MAX_BYTES:
        raise DecodeError(f"{where}: longer than {MAX_BYTES >> 20} MiB")
    try:
        found = _decoded(raw)
    except (yaml.YAMLError, ValueError, LookupError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"{mark.line + 1}: " if mark else ""
        said = getattr(error, "problem", None) or str(error)
        raise DecodeError(f"{where}:{line}{said}", hint="YAML or JSON is expected") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DecodeError(f"{where}: a mapping is expected", hint="YAML or JSON is expected")
    table = cast("dict[object, object]", found)
    return {str(key): value for key, value in table.items()}
