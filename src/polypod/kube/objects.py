"""Pods and network definitions of the API as values: what somebody here asks for, and no more.

A watch tells of them line by line, two hundred times a second on a busy node: a line is read once.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from polypod.kube.pods import Pod
from polypod.nad.definition import Definition

ASKED_FOR = ("k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "kubernetes.io/config.")
Item = TypeVar("Item", Pod, Definition)
ANSWERS = frozenset({"k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status"})


class _Meta(msgspec.Struct):
    name: str
    namespace: str | None = ""
    uid: str | None = ""
    resourceVersion: str | None = ""  # noqa: N815 - the API's word
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct):
    metadata: _Meta


class _Spec(msgspec.Struct):
    config: str | None = None


class _DefinitionObject(msgspec.Struct):
    metadata: _Meta
    spec: _Spec | None = None


class _PodEvent(msgspec.Struct):
    type: str
    object: _Object


class _DefinitionEvent(msgspec.Struct):
    type: str
    object: _DefinitionObject


CHANGES = frozenset({"ADDED", "MODIFIED", "DELETED"})
"""What a watch tells of objects; of anything else it tells under other types."""


class Change(msgspec.Struct, Generic[Item], frozen=True):
    """What a watch told of an object."""

    type: str
    version: str
    item: Item


_decode_pod = msgspec.json.Decoder(_Object).decode
_decode_definition = msgspec.json.Decoder(_DefinitionObject).decode
_decode_pod_event = msgspec.json.Decoder(_PodEvent).decode
_decode_definition_event = msgspec.json.Decoder(_DefinitionEvent).decode


def read_pod(raw: bytes) -> Pod:
    """Return a pod from its JSON (or from that of its metadata alone)."""
    return _pod(_decode_pod(raw))


def read_pod_change(line: bytes) -> Change[Pod]:
    """Return what a line of a watch tells of a pod."""
    told = _decode_pod_event(line)
    return Change(told.type, told.object.metadata.resourceVersion or "", _pod(told.object))


def _pod(found: _Object) -> Pod:
    meta = found.metadata
    return Pod(
        namespace=meta.namespace or "default",
        name=meta.name,
        uid=meta.uid or "",
        annotations=_about_networks(meta.annotations),
    )


def _about_networks(annotations: dict[str, str] | None) -> dict[str, str]:
    """Return the annotations that somebody here asks for: others, and our own answer, are long."""
    return {
        key: value
        for key, value in (annotations or {}).items()
        if key.startswith(ASKED_FOR) and key not in ANSWERS
    }


def read_definition(raw: bytes) -> Definition:
    """Return a network definition from its JSON."""
    return _definition(_decode_definition(raw))


def read_definition_change(line: bytes) -> Change[Definition]:
    """Return what a line of a watch tells of a network definition."""
    told = _decode_definition_event(line)
    version = told.object.metadata.resourceVersion or ""
    return Change(told.type, version, _definition(told.object))


def _definition(found: _DefinitionObject) -> Definition:
    return Definition(
        namespace=found.metadata.namespace or "default",
        name=found.metadata.name,
        config=found.spec.config if found.spec else None,
        annotations=_about_networks(found.metadata.annotations),
    )


def pod_size(pod: Pod) -> int:
    """Return the length of a pod's texts, in characters."""
    return sum(len(key) + len(value) for key, value in pod.annotations.items())


def definition_size(definition: Definition) -> int:
    """Return the length of a definition's texts, in characters."""
    notes = sum(len(key) + len(value) for key, value in definition.annotations.items())
    return len(definition.config or "") + notes
