"""Pods of this node and all network definitions, kept in memory by two watches.

Questions are answered from memory; a miss is asked of the API server once, live, so that a pod
whose event is still on its way starts all the same. Reading pods is limited to this node's.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from polypod.errors import ApiError, DecodeError
from polypod.kube.client import METADATA, METADATA_LIST, Client, Query
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
Item = TypeVar("Item", Pod, Definition)


def read_pod(raw: bytes) -> Pod:
    """Return a pod from its JSON (or from that of its metadata alone)."""
    meta = _decode_pod(raw).metadata
    return Pod(
        namespace=meta.namespace or "default",
        name=meta.name,
        uid=meta.uid or "",
        annotations=meta.annotations or {},
    )


def read_definition(raw: bytes) -> Definition:
    """Return a network definition from its JSON."""
    found = _decode_definition(raw)
    return Definition(
        namespace=found.metadata.namespace or "default",
        name=found.metadata.name,
        config=found.spec.config if found.spec else None,
        annotations=found.metadata.annotations or {},
    )


class Kept(Generic[Item]):
    """One kind of object by (namespace, name); what cannot be read is logged and left out."""

    def __init__(self, read: Callable[[bytes], Item]) -> None:
        """Begin empty."""
        self._read: Callable[[bytes], Item] = read
        self._items: dict[tuple[str, str], Item] = {}
        self._lock = threading.Lock()

    def get(self, namespace: str, name: str) -> Item | None:
        """Return one object."""
        with self._lock:
            return self._items.get((namespace, name))

    def all(self) -> tuple[Item, ...]:
        """Return every object."""
        with self._lock:
            return tuple(self._items.values())

    def replace(self, objects: list[msgspec.Raw]) -> None:
        """Forget everything else."""
        items = [item for raw in objects if (item := self._parse(raw)) is not None]
        with self._lock:
            self._items = {(item.namespace, item.name): item for item in items}

    def put(self, raw: msgspec.Raw) -> None:
        """Take a new or changed object."""
        item = self._parse(raw)
        if item is not None:
            with self._lock:
                self._items[item.namespace, item.name] = item

    def remove(self, raw: msgspec.Raw) -> None:
        """Forget an object."""
        item = self._parse(raw)
        if item is not None:
            with self._lock:
                self._items.pop((item.namespace, item.name), None)

    def _parse(self, raw: msgspec.Raw) -> Item | None:
        try:
            return self._read(bytes(raw))
        except msgspec.DecodeError as error:
            log.warning("object.unreadable cause=%r", str(error)[:200])
            return None


class ApiSource:
    """Answers from the two watches."""

    def __init__(self, client: Client, node: str) -> None:
        """Prepare the watches of one node; start() begins."""
        self._client = client
        self._stopped = threading.Event()
        self._pods: Kept[Pod] = Kept(read_pod)
        self._definitions: Kept[Definition] = Kept(read_definition)
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
        live = self._live("/api/v1", "pods", namespace, name, METADATA, read_pod)
        return live if live is not None else self._appearing(namespace, name)

    def _appearing(self, namespace: str, name: str) -> Pod | None:
        """Wait for the watch to tell of a pod; None when it does not."""
        end = time.monotonic() + APPEAR_S
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
            return read(self._client.get(Query(path=path, accept=accept), timeout_s=LIVE_S))
        except msgspec.DecodeError as error:
            raise DecodeError(f"API server: {namespace}/{name} is not readable") from error
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
