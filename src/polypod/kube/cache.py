"""Pods of this node and all network definitions, kept in memory by two watches.

Questions are answered from memory; a miss is asked of the API server once, live, so that a pod
whose event is still on its way starts all the same. Reading pods is limited to this node's.
"""

from __future__ import annotations

import http
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

from polypod.errors import ApiError, DecodeError, PolypodError, TryAgainError
from polypod.kube import reading
from polypod.kube.client import METADATA, METADATA_LIST, Backoff, Client, Query
from polypod.kube.kept import Kept
from polypod.kube.last_known import EVERY_S, Disk, Known, LastKnown
from polypod.kube.missing import Missing
from polypod.kube.names import are_names
from polypod.kube.objects import (
    Item,
    definition_size,
    pod_size,
    read_definition,
    read_definition_change,
    read_pod,
    read_pod_change,
)
from polypod.kube.pods import Pod
from polypod.kube.reflector import Reflector
from polypod.nad.definition import Definition

log = logging.getLogger("polypod.kube")
DEFINITIONS = "/apis/k8s.cni.cncf.io/v1/network-attachment-definitions"
LIVE_S = 2.0
APPEAR_S = 2.5
LOOK_EVERY_S = 0.05
AWAY_S = 2.0
"""So long a server that was away is not asked again for what the disk has."""
STOP_S = 2.0
NOT_FOUND = 404


def _is_away(error: PolypodError) -> bool:
    """Tell whether the server could not be asked; one that refuses is there."""
    if isinstance(error, ApiError):
        return error.status >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error, TryAgainError)


class ApiSource:
    """Answers from the two watches."""

    def __init__(
        self,
        client: Client,
        node: str,
        *,
        disk: Disk | None = None,
        keep_every_s: float = EVERY_S,
        appear_s: float = APPEAR_S,
        backoff: Callable[[], Backoff] = Backoff,
    ) -> None:
        """Prepare the watches of one node; start() begins.

        `disk` keeps what was known last, for a start without API server.
        """
        self._client = client
        self.reads = {"pods": 0, "definitions": 0}
        """How often an object was not in memory, and was asked for."""
        self._appear_s = appear_s
        self._stopped = threading.Event()
        self._missing = Missing()
        self._pods: Kept[Pod] = Kept(read_pod, read_pod_change, pod_size)
        self._definitions: Kept[Definition] = Kept(
            read_definition, read_definition_change, definition_size
        )
        self._last = LastKnown(disk, self._known, every_s=keep_every_s) if disk else None
        if self._last is not None:
            self._pods.on_change = self._definitions.on_change = self._last.note_change
        self._away_until = 0.0
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
                backoff=backoff(),
            ),
            Reflector(
                name="definitions",
                client=client,
                query=Query(path=DEFINITIONS),
                shelf=self._definitions,
                backoff=backoff(),
            ),
        )

        client.on_answer = self._hurry

    def _hurry(self) -> None:
        """After an outage a watch may pause for half a minute; here the server has answered."""
        for watch in self._watches:
            watch.hurry()

    def start(self) -> None:
        """Begin to watch."""
        if self._last is not None:
            self._last.start()
        for watch in self._watches:
            watch.start()

    def stop(self) -> None:
        """End the watches."""
        self._stopped.set()
        for watch in self._watches:
            watch.stop()
        if self._last is not None:
            self._last.stop(STOP_S)

    @property
    def is_synced(self) -> bool:
        """Tell whether both lists are in."""
        return all(watch.is_synced for watch in self._watches)

    def wait_synced(self, timeout_s: float) -> bool:
        """Wait for both first lists; tell whether they are in."""
        return all(watch.wait_synced(timeout_s) for watch in self._watches)

    @property
    def has_last_known(self) -> bool:
        """Tell whether pods of an earlier daemon are on disk."""
        return self._last is not None and self._last.has_pods

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
        last = None if self._last is None else partial(self._last.pod, namespace, name, uid)
        live = self._live_or_last(
            self._watches[0],
            partial(self._live, "/api/v1", "pods", namespace, name, METADATA, read_pod),
            last,
        )
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
        """Return a definition; one that is unknown is asked for, but not again in a while.

        Raises:
            ApiError: the server refused.
            TryAgainError: it cannot be reached.
        """
        known = self._definitions.get(namespace, name)
        if known is not None:
            return known
        if self._watches[1].is_synced and self._missing.has((namespace, name)):
            return None  # the watch would have told of it
        group, _, plural = DEFINITIONS.rpartition("/")
        last = None if self._last is None else partial(self._last.definition, namespace, name)
        accept = "application/json"
        found = self._live_or_last(
            self._watches[1],
            partial(self._live, group, plural, namespace, name, accept, read_definition),
            last,
        )
        if found is None:
            self._missing.add((namespace, name))
        return found

    def _live_or_last(
        self,
        watch: Reflector,
        live: Callable[[], Item | None],
        last: Callable[[], Item | None] | None,
    ) -> Item | None:
        """Ask the server; while nothing was heard of it yet and it is away, what was known last."""
        if last is None or watch.is_synced:
            return live()
        if time.monotonic() < self._away_until and (found := last()) is not None:
            return found
        try:
            return live()
        except PolypodError as error:
            if not _is_away(error):
                raise
            self._away_until = time.monotonic() + AWAY_S
            found = last()
            if found is None:
                raise
            log.warning("cache.last_known object=%s/%s", found.namespace, found.name)
            return found

    def _known(self) -> Known | None:
        return (self.pods(), self.definitions()) if self.is_synced else None

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
        self.reads["pods" if plural == "pods" else "definitions"] += 1
        path = f"{group}/namespaces/{namespace}/{plural}/{name}"
        try:
            raw = self._client.get(Query(path=path, accept=accept), timeout_s=LIVE_S)
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        found = reading.read(read, raw, f"{namespace}/{name}")
        if (found.namespace, found.name) != (namespace, name):
            raise DecodeError(f"API server: asked for {namespace}/{name}, got another object")
        return found
