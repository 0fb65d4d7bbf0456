"""Pods of this node and all network definitions, kept in memory by two watches.

Questions are answered from memory; a miss is asked of the API server once, live, so that a pod
whose event is still on its way starts all the same. Reading pods is limited to this node's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from polypod.errors import ApiError
from polypod.kube import reading
from polypod.kube.client import METADATA, METADATA_LIST, Client, Query
from polypod.kube.kept import Item, Kept
from polypod.kube.names import are_names
from polypod.kube.pods import Pod
from polypod.kube.reflector import Reflector
from polypod.nad.definition import Definition

log = logging.getLogger("polypod.kube")
DEFINITIONS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
LIVE_S = 2.0
APPEAR_S = 2.5
LOOK_EVERY_S = 0.05
NOT_FOUND = 404
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


class ApiSource:
    """Answers from the two watches."""

    def __init__(self, client: Client, node: str, *, appear_s: float = APPEAR_S) -> None:
        """Prepare the watches of one node; start() begins."""
        self._client = client
        self._appear_s = appear_s
        self._stopped = threading.Event()
        self._pods: Kept[Pod] = Kept(read_pod, pod_size)
        self._definitions: Kept[Definition] = Kept(read_definition, definition_size)
        self._watches = (
            Reflector(
                name="pods",
                client=client,
                query=Query(
                    path="/api/v1/pods",
                    parameters=(("fieldSelector", f"spec.nodeName={node}"),),
                    accept=METADATA_LIST,
                ),
                watch_accept=METADATA,
                shelf=self._pods,
            ),
            Reflector(
                name="definitions",
                client=client,
                query=Query(path=DEFINITIONS),
                shelf=self._definitions,
            ),
        )

    def start(self) -> None:
        """Begin to watch."""
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """End the watches."""
        self._stopped.set()
        for watch in self._watches:
            watch.stop()

    @property
    def is_synced(self) -> bool:
        """Tell whether both lists are in."""
        return all(watch.is_synced for watch in self._watches)

    def wait_synced(self, timeout_s: float) -> bool:
        """Wait for both first lists; tell whether they are in."""
        return all(watch.wait_synced(timeout_s) for watch in self._watches)

    is_complete = True
    """The API server has every pod: one that it does not know is gone."""

    def pods(self) -> tuple[Pod, ...]:
        """Return the pods of this node."""
        return self._pods.all()

    def definitions(self) -> tuple[Definition, ...]:
        """Return every definition."""
        return self._definitions.all()

    def pod(self, namespace: str, name: str, uid: str = "") -> Pod | None:
        """Return a pod; one that is unknown, or known by another UID, is asked for once.

        One that the server does not have is waited for a little: the kubelet may make a static
        pod's sandbox before the server has the pod that stands for it.

        Raises:
            ApiError: the server refused.
            TryAgainError: it cannot be reached.
        """
        known = self._pods.get(namespace, name)
        if known is not None and (not uid or known.uid == uid or known.static):
            return known
        if not are_names(namespace, name):
            return None
        live = self._live("/api/v1", "pods", namespace, name, METADATA, read_pod)
        return live if live is not None else self._appearing(namespace, name)

    def _appearing(self, namespace: str, name: str) -> Pod | None:
        """Wait for the watch to tell of a pod; None when it does not."""
        end = time.monotonic() + self._appear_s
        while time.monotonic() < end and not self._stopped.wait(LOOK_EVERY_S):
            known = self._pods.get(namespace, name)
            if known is not None:
                return known
        return None

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return a definition; one that is unknown is asked for once.

        Raises:
            ApiError: the server refused.
            TryAgainError: it cannot be reached.
        """
        known = self._definitions.get(namespace, name)
        if known is not None:
            return known
        group, _, plural = DEFINITIONS.rpartition("/")
        return self._live(group, plural, namespace, name, "application/json", read_definition)

    def _live(
        self,
        group: str,
        plural: str,
        namespace: str,
        name: str,
        accept: str,
        read: Callable[[bytes], Item],
    ) -> Item | None:
        """Ask for one object; a name that no object can have is not asked for."""
        if not are_names(namespace, name):
            return None
        path = f"{group}/namespaces/{namespace}/{plural}/{name}"
        try:
            raw = self._client.get(Query(path=path, accept=accept), timeout_s=LIVE_S)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return reading.read(read, raw, f"{namespace}/{name}")
