"""Events: what happened to a node or to a pod's networks, where `kubectl describe` shows it.

Sent in the background, bounded, and dropped rather than ever holding up an ADD. Equal events are
counted in one object; their names are made from what they say, so that a repeated POST is harmless.
"""

from __future__ import annotations

import hashlib
import logging
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from polypod.errors import ApiError, PolypodError
from polypod.kube.client import MERGE, Client, Query

log = logging.getLogger("polypod.kube")
COMPONENT = "polypod"
WAITING = 1024
CONFLICT = 409
REMEMBERED = 2048
MAX_MESSAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One event."""

    namespace: str
    about: str
    """The name of the object that it is about."""
    uid: str
    reason: str
    message: str
    kind: str = "Pod"
    is_warning: bool = False

    @property
    def name(self) -> str:
        """Return the event's name: the same for the same happening of the same object."""
        words = f"{self.uid}\0{self.reason}\0{self.message}"
        return f"{self.about[:200]}.{hashlib.sha256(words.encode()).hexdigest()[:16]}"


class Events:
    """Sends events of one node."""

    def __init__(
        self, client: Client, node: str, now: Callable[[], datetime] | None = None
    ) -> None:
        """Prepare; start() begins to send."""
        self._client = client
        self._node = node
        self._now = now or (lambda: datetime.now(UTC))
        self._queue: queue.Queue[Happening | None] = queue.Queue(WAITING)
        self._counts: dict[str, tuple[int, str]] = {}
        self._thread = threading.Thread(target=self._run, name="events", daemon=True)

    def start(self) -> None:
        """Begin to send in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Send what waits, for at most timeout_s."""
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return
        self._thread.join(timeout_s)

    def tell(self, happening: Happening) -> None:
        """Send this event, soon; when too many wait it is dropped."""
        try:
            self._queue.put_nowait(happening)
        except queue.Full:
            log.warning("event.dropped reason=%s", happening.reason)

    def _run(self) -> None:
        while (happening := self._queue.get()) is not None:
            try:
                self._send(happening)
            except PolypodError as error:
                log.warning("event.unsent reason=%s cause=%r", happening.reason, error.cause)

    def _send(self, happening: Happening) -> None:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        count, first = self._counts.pop(happening.name, (0, now))
        while len(self._counts) >= REMEMBERED:
            self._counts.pop(next(iter(self._counts)))
        self._counts[happening.name] = (count + 1, first)
        if count:
            self._count_up(happening, count + 1, now)
            return
        path = f"/api/v1/namespaces/{happening.namespace}/events"
        try:
            self._client.send("POST", Query(path=path), self._body(happening, now))
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            self._count_up(happening, count + 1, now)  # written before this daemon started

    def _count_up(self, happening: Happening, count: int, now: str) -> None:
        path = f"/api/v1/namespaces/{happening.namespace}/events/{happening.name}"
        change = msgspec.json.encode({"count": count, "lastTimestamp": now})
        self._client.send("PATCH", Query(path=path), change, content_type=MERGE)

    def _body(self, happening: Happening, now: str) -> bytes:
        return msgspec.json.encode(
            {
                "apiVersion": "v1",
                "kind": "Event",
                "metadata": {"name": happening.name, "namespace": happening.namespace},
                "involvedObject": {
                    "apiVersion": "v1",
                    "kind": happening.kind,
                    "name": happening.about,
                    "uid": happening.uid,
                    **({"namespace": happening.namespace} if happening.kind == "Pod" else {}),
                },
                "type": "Warning" if happening.is_warning else "Normal",
                "reason": happening.reason,
                "message": happening.message[:MAX_MESSAGE],
                "source": {"component": COMPONENT, "host": self._node},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
            }
        )
