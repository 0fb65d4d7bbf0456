"""Calls by hand (`polypod add`): networks, pods and definitions that the call itself brings along.

They stand in the configuration on stdin, under one key, so that a call by hand goes the same way as
any other: offline, or through the shim to the daemon. What is not brought along is looked up where
the node looks. A runtime never sends the key; whoever can is root already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from polypod.cni import arguments, fields
from polypod.cni.request import Request
from polypod.engine.doors import Doors, Pod, Source
from polypod.errors import InvalidConfigError
from polypod.nad import selection
from polypod.nad.definition import Definition
from polypod.nad.selection import Selection

KEY = "polypod.io/by-hand"
NETWORK = "by-hand"
"""The name such calls are made with: a runtime's GC speaks of another, and leaves them alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPod:
    """A pod as the call describes it."""

    namespace: str
    name: str
    uid: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    static: bool = True
    """Its UID is not the API server's."""


@dataclass(frozen=True, slots=True)
class GivenFirst:
    """Answers with what the call brings along, and otherwise from the node's source."""

    pods: Mapping[tuple[str, str], GivenPod]
    definitions: Mapping[tuple[str, str], Definition]
    rest: Source

    @property
    def is_complete(self) -> bool:
        """Tell whether a pod that nobody knows is gone."""
        return self.rest.is_complete

    def pod(self, namespace: str, name: str, uid: str = "") -> Pod | None:
        """Return the pod, None when nobody knows it."""
        return self.pods.get((namespace, name)) or self.rest.pod(namespace, name, uid)

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return the network definition, None when nobody knows it."""
        return self.definitions.get((namespace, name)) or self.rest.definition(namespace, name)


def widen(request: Request, doors: Doors) -> Doors:
    """Return doors whose source also knows what the call brings along.

    Raises:
        DecodeError: the key's value is not of its form.
        InvalidConfigError: the call names a pod that nobody knows.
    """
    given = fields.table(request.config.raw, KEY)
    if given is None:
        return doors
    source = GivenFirst(_pods(given), _definitions(given), doors.source)
    _check_pod(request, source)
    return replace(doors, source=source)


def selections(request: Request) -> tuple[Selection, ...] | None:
    """Return the networks that the call names itself; None leaves them to the pod.

    Raises:
        InvalidAnnotationError: the text does not follow the annotation's grammar.
    """
    given = fields.table(request.config.raw, KEY) or {}
    text = fields.text(given, "networks")
    if not text:
        return None
    return selection.parse(text, fields.text(given, "namespace") or "default")


def _check_pod(request: Request, source: Source) -> None:
    told = arguments.given(request.arguments)
    namespace, name = told.get("K8S_POD_NAMESPACE", ""), told.get("K8S_POD_NAME", "")
    if name and source.pod(namespace, name) is None:
        raise InvalidConfigError(
            f"there is no pod {namespace}/{name}",
            hint="--manifests names the folder that describes it; a running daemon knows its own",
        )


def _pods(given: Mapping[str, object]) -> dict[tuple[str, str], GivenPod]:
    found: dict[tuple[str, str], GivenPod] = {}
    for entry in fields.objects(given, "pods") or ():
        namespace, name = fields.text(entry, "namespace"), fields.text(entry, "name")
        told = fields.table(entry, "annotations") or {}
        annotations = {key: value for key, value in told.items() if isinstance(value, str)}
        found[namespace, name] = GivenPod(namespace=namespace, name=name, annotations=annotations)
    return found


def _definitions(given: Mapping[str, object]) -> dict[tuple[str, str], Definition]:
    found: dict[tuple[str, str], Definition] = {}
    for entry in fields.objects(given, "definitions") or ():
        namespace, name = fields.text(entry, "namespace"), fields.text(entry, "name")
        config = fields.text(entry, "config") or None
        found[namespace, name] = Definition(namespace=namespace, name=name, config=config)
    return found
