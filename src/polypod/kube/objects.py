"""Pods and network definitions of the API as values: what somebody here asks for, and no more."""

from __future__ import annotations

import msgspec

from polypod.kube.pods import Pod
from polypod.nad.definition import Definition

ASKED_FOR = ("k8s.v1.cni.cncf.io/", "v1.multus-cni.io/", "kubernetes.io/config.")
ANSWERS = frozenset({"k8s.v1.cni.cncf.io/network-status", "k8s.v1.cni.cncf.io/networks-status"})


class _Meta(msgspec.Struct):
    name: str
    namespace: str | None = ""
    uid: str | None = ""
    annotations: dict[str, str] | None = None


class _Object(msgspec.Struct):
    metadata: _Meta


class _Spec(msgspec.Struct):
    config: str | None = None


class _DefinitionObject(msgspec.Struct):
    metadata: _Meta
    spec: _Spec | None = None


_decode_pod = msgspec.json.Decoder(_Object).decode
_decode_definition = msgspec.json.Decoder(_DefinitionObject).decode


def read_pod(raw: bytes) -> Pod:
    """Return a pod from its JSON (or from that of its metadata alone)."""
    meta = _decode_pod(raw).metadata
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
    found = _decode_definition(raw)
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
