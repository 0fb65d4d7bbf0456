"""Pods and definitions as they were known last, for a daemon that starts without its API server.

The shim's ADD names a pod and its UID, but not what the pod asks for: that stands in annotations.
So they are kept on the node's disk, with the definitions: written in the background when they have
changed, read only while the first list has not come, and believed for the very pod (its UID) alone.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable
from typing import Protocol, TypeAlias

import msgspec

from polypod.errors import DecodeError, PolypodError
from polypod.kube import reading
from polypod.kube.pods import HASH, Pod
from polypod.nad.definition import Definition

log = logging.getLogger("polypod.kube")
VERSION = 1
EVERY_S = 10.0
MOST_BYTES = 2 << 20
"""Texts of pods and definitions together; what does not fit is asked of the API server."""


Known: TypeAlias = tuple[tuple[Pod, ...], tuple[Definition, ...]]


class Disk(Protocol):
    """Where it is kept."""

    def load(self) -> bytes | None:
        """Return what was saved last."""
        ...

    def save(self, content: bytes) -> None:
        """Keep this in place of it."""
        ...


class _Pod(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    uid: str
    annotations: dict[str, str]


class _Definition(msgspec.Struct, frozen=True):
    namespace: str
    name: str
    config: str | None
    annotations: dict[str, str]


class _Memory(msgspec.Struct, frozen=True):
    version: int
    pods: list[_Pod]
    definitions: list[_Definition]


_decode = msgspec.json.Decoder(_Memory).decode


class LastKnown:
    """What one node knew last: kept while it is known, asked while nothing is."""

    def __init__(
        self,
        disk: Disk,
        ask: Callable[[], Known | None],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """Keep where it lies, and whom to ask what is known; None is nothing yet."""
        self._disk = disk
        self._ask = ask
        self._every_s = every_s
        self._saved = b""
        self._found: _Memory | None = None
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="last-known", daemon=True)

    def start(self) -> None:
        """Begin to keep, in a thread of its own; what lies there stays until something is known."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Keep what has changed, for at most timeout_s."""
        self._stopping.set()
        self._changed.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def note_change(self) -> None:
        """Say that something is known that was not; it is kept a little later."""
        self._changed.set()

    @property
    def has_pods(self) -> bool:
        """Tell whether there is any pod to ask for."""
        return bool(self._memory().pods)

    def pod(self, namespace: str, name: str, uid: str) -> Pod | None:
        """Return the pod of this UID; None when it is not known, or another one was."""
        for one in self._memory().pods:
            # A static pod's UID is that of the pod that stands for it; the runtime has its hash.
            if (one.namespace, one.name) == (namespace, name) and (
                uid and uid in {one.uid, one.annotations.get(HASH)}
            ):
                return Pod(namespace=namespace, name=name, uid=one.uid, annotations=one.annotations)
        return None

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return a definition, None when it was not known."""
        for one in self._memory().definitions:
            if (one.namespace, one.name) == (namespace, name):
                return Definition(
                    namespace=namespace,
                    name=name,
                    config=one.config,
                    annotations=one.annotations,
                )
        return None

    def _memory(self) -> _Memory:
        """Read the disk once."""
        with self._lock:
            if self._found is None:
                self._found = _parse(self._disk.load())
            return self._found

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._changed.wait()
            self._stopping.wait(
                self._every_s
            )  # changes come together, and never end on a busy node
            self._changed.clear()
            known = self._ask()
            if known is None:
                self._changed.set()  # look again
            else:
                self._keep(known)

    def _keep(self, known: Known) -> None:
        with self._lock:
            self._found = None  # nobody asks any more: the API server has answered
        content = _render(*known)
        stamp = hashlib.sha256(content).digest()
        if stamp == self._saved:
            return
        try:
            self._disk.save(content)
        except PolypodError as error:
            log.warning("known.unsaved cause=%r", error.cause)
            return
        self._saved = stamp


def _render(pods: tuple[Pod, ...], definitions: tuple[Definition, ...]) -> bytes:
    """Return both as bytes, in an order of their own: equal knowledge is equal bytes."""
    room = MOST_BYTES
    kept_pods: list[_Pod] = []
    for pod in sorted(pods, key=lambda one: (one.namespace, one.name)):
        room -= sum(len(key) + len(value) for key, value in pod.annotations.items())
        if room > 0:
            annotations = dict(pod.annotations)
            kept_pods.append(_Pod(pod.namespace, pod.name, pod.uid, annotations))
    kept: list[_Definition] = []
    for one in sorted(definitions, key=lambda one: (one.namespace, one.name)):
        room -= len(one.config or "")
        if room > 0:
            kept.append(_Definition(one.namespace, one.name, one.config, dict(one.annotations)))
    return msgspec.json.encode(_Memory(VERSION, kept_pods, kept))


def _parse(content: bytes | None) -> _Memory:
    nothing = _Memory(VERSION, [], [])
    if content is None:
        return nothing
    try:
        found = reading.read(_decode, content, "what was known last")
    except DecodeError as error:
        log.warning("known.unreadable cause=%r", error.cause)
        return nothing
    return found if found.version == VERSION else nothing
