"""Events: what happened to a node or to a pod's networks, where `kubectl describe` shows it.

Sent in the background, at a bounded rate, and dropped rather than ever holding up an ADD. Equal
events are counted in one object, whose name is made from what they say; many that differ only in
their words become one too, so that a pod that fails for ever costs a bounded number of objects.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

import msgspec

from polypod.errors import ApiError
from polypod.kube.client import MERGE, Client, Query
from polypod.kube.names import are_names
from polypod.kube.outbox import Outbox, Pace, Tally

COMPONENT = "polypod"
WAITING = 1024
BURST, PER_S = 100, 10
CONFLICT, NOT_FOUND = 409, 404
REMEMBERED = 2048
REST_S = 1.0
"""So long an event waits: written at once, three of them took 5 ms from the pod that they tell of,
where the API server has the node's processors too."""
SIMILAR = 10
"""So many texts of one reason about one object get events of their own; the others share one."""
MAX_MESSAGE_BYTES = 1000
"""The API takes 1024."""


class Happening(msgspec.Struct, frozen=True, kw_only=True):
    """One event."""

    namespace: str
    about: str
    """The name of the object that it is about."""
    uid: str
    reason: str
    message: str
    kind: str = "Pod"
    is_warning: bool = False
    is_one_of_many: bool = False
    """It shares its object with others of its reason; the newest words stand."""
    times: int = 1

    @property
    def name(self) -> str:
        """Return the event's name: the same for the same happening of the same object."""
        words = "" if self.is_one_of_many else self.message
        said = f"{self.kind}\0{self.uid}\0{self.reason}\0{self.is_one_of_many}\0{words}"
        stem = self.about[:200].rstrip("-.")
        return f"{stem}.{hashlib.sha256(said.encode()).hexdigest()[:16]}"

    @property
    def key(self) -> str:
        """Return what makes two of them one: quick to make, because an ADD makes it."""
        return (
            f"{self.namespace}/{self.about}\0{self.kind}\0{self.uid}\0{self.reason}\0"
            f"{'' if self.is_one_of_many else self.message}"
        )


class Known(msgspec.Struct, frozen=True):
    """What the server answers of an event object."""

    count: int | None = 0


class Events:
    """Sends events of one node."""

    def __init__(
        self,
        client: Client,
        node: str,
        now: Callable[[], datetime] | None = None,
        *,
        rest_s: float = 0.0,
    ) -> None:
        """Prepare; start() begins to send."""
        self._client = client
        self._node = node
        self._now = now or partial(datetime.now, UTC)
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._texts: OrderedDict[tuple[str, str], set[str]] = OrderedDict()
        self._outbox: Outbox[Happening] = Outbox(
            "events",
            self._send,
            most=WAITING,
            merge=_together,
            pace=Pace(BURST, PER_S),
            rest_s=rest_s,
        )

    def start(self) -> None:
        """Begin to send in a thread of its own."""
        self._outbox.start()

    def stop(self, timeout_s: float) -> None:
        """Send what waits, for at most timeout_s."""
        self._outbox.stop(timeout_s)

    @property
    def tally(self) -> Tally:
        """Return how many events came to which end."""
        return self._outbox.tally

    def tell(self, happening: Happening) -> None:
        """Send this event, soon; when too many wait the oldest is dropped."""
        if are_names(happening.namespace, happening.about):
            self._outbox.put(happening.key, happening)

    def tell_pod(
        self,
        namespace: str,
        pod: str,
        uid: str,
        *,
        reason: str,
        message: str,
        is_warning: bool = False,
    ) -> None:
        """Send an event about a pod, soon."""
        self.tell(
            Happening(
                namespace=namespace,
                about=pod,
                uid=uid,
                reason=reason,
                message=message,
                is_warning=is_warning,
            )
        )

    def _send(self, happening: Happening) -> None:
        """Write one happening: a new object, or a higher count of one that is there."""
        wanted = self._gathered(happening)
        known = self._counts.get(wanted.key, 0)
        written = self._count_up(wanted, known) if known else 0
        self._remember(wanted.key, written or self._create(wanted))

    def _gathered(self, happening: Happening) -> Happening:
        """Return the happening as it is told: among many of its reason, with others as one."""
        about = (happening.uid or happening.about, happening.reason)
        texts = self._texts.setdefault(about, set())
        self._texts.move_to_end(about)
        if len(self._texts) > REMEMBERED:
            self._texts.popitem(last=False)
        if happening.name in texts or len(texts) < SIMILAR:
            texts.add(happening.name)
            return happening
        return msgspec.structs.replace(happening, is_one_of_many=True)

    def _remember(self, key: str, count: int) -> None:
        self._counts[key] = count
        self._counts.move_to_end(key)
        if len(self._counts) > REMEMBERED:
            self._counts.popitem(last=False)

    def _create(self, happening: Happening) -> int:
        path = f"/api/v1/namespaces/{happening.namespace}/events"
        try:
            self._client.send("POST", Query(path=path), self._body(happening))
        except ApiError as error:
            if error.status != CONFLICT:
                raise
            return self._count_up(happening, None)  # written before this daemon started
        return happening.times

    def _count_up(self, happening: Happening, known: int | None) -> int:
        """Return the new count, 0 when the object is there no more (they live for an hour)."""
        try:
            if known is None:
                answer = self._patch(happening, {"lastTimestamp": self._stamp()})
                known = _count(answer)
            count = known + happening.times
            self._patch(happening, {"count": count, "lastTimestamp": self._stamp()})
        except ApiError as error:
            if error.status != NOT_FOUND:
                raise
            return 0
        return count

    def _patch(self, happening: Happening, change: dict[str, object]) -> bytes:
        path = f"/api/v1/namespaces/{happening.namespace}/events/{happening.name}"
        if happening.is_one_of_many:
            change["message"] = _message(happening)
        body = msgspec.json.encode(change)
        return self._client.send("PATCH", Query(path=path), body, content_type=MERGE)

    def _stamp(self) -> str:
        return self._now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def _body(self, happening: Happening) -> bytes:
        stamp = self._stamp()
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
                "message": _message(happening),
                "source": {"component": COMPONENT, "host": self._node},
                "firstTimestamp": stamp,
                "lastTimestamp": stamp,
                "count": happening.times,
            }
        )


def _count(answer: bytes) -> int:
    """Return the count of an event as the server answers it."""
    try:
        return msgspec.json.decode(answer, type=Known).count or 0
    except msgspec.DecodeError:
        return 0


def _together(older: Happening, newer: Happening) -> Happening:
    return msgspec.structs.replace(newer, times=older.times + newer.times)


def _message(happening: Happening) -> str:
    lead = "(combined from similar events): " if happening.is_one_of_many else ""
    words = f"{lead}{happening.message}".encode(errors="replace")
    return words[:MAX_MESSAGE_BYTES].decode(errors="ignore")
