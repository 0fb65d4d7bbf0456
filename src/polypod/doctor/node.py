"""Reads one node's folders: on the node itself, or from a copy that has the same paths inside.

ROOT/etc/cni/net.d  ROOT/opt/cni/bin  ROOT/var/lib/cni/multus
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from polypod.cni import fields
from polypod.cni import request as cni_request
from polypod.doctor.facts import Facts, NodeFiles, Sandbox, SettingsText
from polypod.engine import multus_records
from polypod.errors import PolypodError
from polypod.store.multus_cache import MultusCache

MAX_BYTES = 1 << 20
_CALLED = b'{"cniVersion":"1.0.0","name":"multus","type":"multus"}'
_ENVIRONMENT = {
    "CNI_COMMAND": "DEL",
    "CNI_CONTAINERID": "x",
    "CNI_IFNAME": "eth0",
    "CNI_PATH": "/",
    "CNI_NETNS": "",
}


def added(facts: Facts, root: Path, *, conf: str, plugins: str, cache: str) -> Facts:
    """Return the facts with a node's files; its own configuration of Multus counts as settings."""
    configurations = _configurations(root / conf.lstrip("/"))
    texts = [
        SettingsText(where=name, raw=raw)
        for name, raw in configurations.items()
        if name.startswith("00-multus")
    ]
    files = NodeFiles(
        configurations=configurations,
        plugins=_executables(root / plugins.lstrip("/")),
        sandboxes=tuple(_sandboxes(root / cache.lstrip("/"))),
    )
    return replace(facts, node=files, settings=(*texts, *facts.settings))


def _configurations(folder: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with contextlib.suppress(OSError):
        for path in sorted(folder.iterdir()):
            with contextlib.suppress(OSError):
                if path.is_file():
                    found[path.name] = path.read_bytes()[:MAX_BYTES]
    return found


def _executables(folder: Path) -> frozenset[str] | None:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return None


def _sandboxes(folder: Path) -> list[Sandbox]:
    cache = MultusCache(folder, folder / "none")
    request = cni_request.parse(_ENVIRONMENT, _CALLED)
    found: list[Sandbox] = []
    for name in cache.containers():
        try:
            delegates = multus_records.delegates(cache.delegates(name) or b"", request)
            types = frozenset(
                type_
                for delegate in delegates
                for plugin in delegate.network.plugins
                for type_ in (fields.text(plugin, "type"), _ipam(plugin))
                if type_
            )
            found.append(Sandbox(container_id=name, types=types))
        except PolypodError as error:
            found.append(Sandbox(container_id=name, fault=error.cause))
    return found


def _ipam(plugin: Mapping[str, object]) -> str:
    return fields.text(fields.table(plugin, "ipam") or {}, "type")
