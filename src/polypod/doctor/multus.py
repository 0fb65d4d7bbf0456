"""What Multus was told, wherever that was: its file, its node's configuration, its arguments.

Keys are turned into ours by nad/multus_settings.py; here is decided which text counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

from polypod.cni import fields, node
from polypod.doctor.facts import Facts, Workload
from polypod.errors import PolypodError
from polypod.nad import multus_settings, node_settings
from polypod.nad.node_settings import KEYS, NodeSettings, Note, Reading

PROGRAMS = frozenset({"multus-daemon", "thin_entrypoint"})
_FLAGS = {
    "namespace-isolation": "namespaceIsolation",
    "global-namespaces": "globalNamespaces",
    "readiness-indicator-file": "readinessindicatorfile",
    "multus-master-cni-file-name": "multusMasterCNI",
    "multus-autoconfig-dir": "multusAutoconfigDir",
    "override-network-name": "overrideNetworkName",
    "force-cni-version": "forceCNIVersion",
    "cni-version": "cniVersion",
    "multus-log-level": "logLevel",
    "multus-log-file": "logFile",
    "multus-log-to-stderr": "logToStderr",
}
"""Arguments of the thin form's entry point, by the keys of the file that it writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What Multus was told, as our settings, and what became of each key."""

    settings: NodeSettings
    given: frozenset[str]
    notes: tuple[Note, ...]
    faults: tuple[str, ...] = ()
    """Texts that could not be read, with the reason."""


def is_multus(workload: Workload) -> bool:
    """Tell whether a workload is Multus's own, and not one that works beside it."""
    words = [word.rpartition("/")[2] for word in workload.arguments]
    if any(word in PROGRAMS for word in words):
        return True
    is_named = any("multus" in image and "dynamic" not in image for image in workload.images)
    return is_named and workload.kind == "DaemonSet" and "dynamic" not in workload.name


def arguments(words: Iterable[str]) -> dict[str, object]:
    """Return what the thin form's arguments say, by the keys of its file."""
    found: dict[str, object] = {}
    for word in words:
        name, separator, value = word.lstrip("-").partition("=")
        key = _FLAGS.get(name)
        if key is None or not word.startswith("--"):
            continue
        found[key] = _value(value) if separator else True
    return found


def told(facts: Facts) -> Told:
    """Return what Multus was told; the daemon's file wins over what it wrote to a node."""
    given: dict[str, object] = {}
    notes: dict[str, Note] = {}
    faults: list[str] = []
    known: frozenset[str] = frozenset()
    for where, table in _tables(facts, faults):
        try:
            reading = multus_settings.read(table, where)
        except PolypodError as error:
            faults.append(error.cause)
            continue
        given |= {key: _of(reading, key) for key in reading.given}
        notes |= {note.key: note for note in reading.notes}
        known |= reading.given
    settings = Reading(settings=_built(given), given=known, notes=tuple(notes.values()))
    as_meant = multus_settings.with_multus_defaults(settings)
    return Told(
        settings=as_meant.settings,
        given=known,
        notes=as_meant.notes,
        faults=tuple(faults),
    )


def _tables(facts: Facts, faults: list[str]) -> list[tuple[str, Mapping[str, object]]]:
    """Return each text as a table, the one that decides last."""
    texts = sorted(facts.settings, key=lambda text: "daemon-config" in text.where)
    found: list[tuple[str, Mapping[str, object]]] = []
    for workload in facts.workloads:
        table = arguments(workload.arguments) if is_multus(workload) else {}
        if table:
            found.append((f"arguments of {workload.namespace}/{workload.name}", table))
    for text in texts:
        try:
            found.append((text.where, fields.decode_object(text.raw, text.where)))
        except PolypodError as error:
            faults.append(error.cause)
    return found


def _of(reading: Reading, key: str) -> object:
    value: object = getattr(reading.settings, KEYS[key].name)
    return list(cast("tuple[object, ...]", value)) if isinstance(value, tuple) else value


def _built(given: Mapping[str, object]) -> NodeSettings:
    return node_settings.build(given, "Multus's settings")


def _value(text: str) -> object:
    return {"true": True, "false": False}.get(text.lower(), text)


def delegates(facts: Facts) -> tuple[str, ...]:
    """Return the names of networks that are written into Multus's own configuration."""
    found: list[str] = []
    for text in facts.settings:
        try:
            table = fields.decode_object(text.raw, text.where)
            listed = fields.objects(_plugin(table), "delegates") or ()
        except PolypodError:
            continue
        found += [fields.text(one, "name") or fields.text(one, "type") for one in listed]
    return tuple(dict.fromkeys(found))


def _plugin(table: Mapping[str, object]) -> Mapping[str, object]:
    """Return the object of Multus's plugin: a list may be around it."""
    for plugin in fields.objects(table, "plugins") or ():
        if fields.text(plugin, "type") in node.META_PLUGINS:
            return plugin
    return table
