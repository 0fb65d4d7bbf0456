"""network-status on the pod itself: a merge patch of `pods/status`, in the background.

One writer; of several texts for one pod only the newest is sent. The patch carries the pod's UID,
so that a late one cannot hit a pod that was made again under the same name. An ADD never fails or
waits because of it.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass

import msgspec

from polypod.errors import ApiError, PolypodError
from polypod.kube.client import MERGE, Backoff, Client, Query

log = logging.getLogger("polypod.kube")
ANNOTATION = "k8s.v1.cni.cncf.io/network-status"
WAITING = 4096
"""Texts that may wait; the oldest goes when there are more."""
FINAL = frozenset({400, 403, 404, 409, 410, 413, 422})
"""Answers that a second try would not change: pod gone, made again (422: UID), or not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """One pod's newest text."""

    namespace: str
    pod: str
    uid: str
    text: str

    def body(self) -> bytes:
        """Return the merge patch (RFC 7396)."""
        metadata: dict[str, object] = {"annotations": {ANNOTATION: self.text}}
        if self.uid:
            metadata["uid"] = self.uid
        return msgspec.json.encode({"metadata": metadata})


class StatusPatches:
    """Writes annotations; a failure is logged, repeated when that can help, and then dropped."""

    def __init__(self, client: Client) -> None:
        """Prepare; start() begins to send."""
        self._client = client
        self._waiting: OrderedDict[tuple[str, str], Patch] = OrderedDict()
        self._change = threading.Condition()
        self._busy = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="network-status", daemon=True)

    def start(self) -> None:
        """Begin to send in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Send what waits, for at most timeout_s; tell whether everything went out."""
        with self._change:
            done = self._change.wait_for(lambda: not self._waiting and not self._busy, timeout_s)
            self._stopping = True
            self._change.notify_all()
        return done

    @property
    def waiting(self) -> int:
        """Tell how many texts wait."""
        return len(self._waiting)

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Publish the text for this pod, soon."""
        with self._change:
            key = (namespace, pod)
            self._waiting.pop(key, None)
            self._waiting[key] = Patch(namespace=namespace, pod=pod, uid=uid, text=text)
            if len(self._waiting) > WAITING:
                lost, _ = self._waiting.popitem(last=False)
                log.error("status.dropped pod=%s/%s", *lost)
            self._change.notify_all()

    def remove(self, namespace: str, pod: str) -> None:
        """Do not send what waits for this pod; what was written goes with the pod."""
        with self._change:
            self._waiting.pop((namespace, pod), None)

    def _run(self) -> None:
        backoff = Backoff(first_s=0.1, most_s=10.0)
        while (patch := self._next()) is not None:
            wait_s = self._try(patch, backoff)
            with self._change:
                self._busy = False
                self._change.notify_all()
                if wait_s:
                    self._change.wait_for(lambda: self._stopping, wait_s)

    def _next(self) -> Patch | None:
        with self._change:
            self._change.wait_for(lambda: bool(self._waiting) or self._stopping)
            if self._stopping:
                return None
            _, patch = self._waiting.popitem(last=False)
            self._busy = True
            return patch

    def _try(self, patch: Patch, backoff: Backoff) -> float:
        """Send one patch; return how long to wait before the next, in seconds."""
        path = f"/api/v1/namespaces/{patch.namespace}/pods/{patch.pod}/status"
        try:
            self._client.send("PATCH", Query(path=path), patch.body(), content_type=MERGE)
        except ApiError as error:
            if error.status in FINAL:
                log.warning(
                    "status.refused pod=%s/%s cause=%r", patch.namespace, patch.pod, error.cause
                )
                return 0.0
            return self._again(patch, error, backoff)
        except PolypodError as error:
            return self._again(patch, error, backoff)
        backoff.worked()
        return 0.0

    def _again(self, patch: Patch, error: PolypodError, backoff: Backoff) -> float:
        wait_s = backoff.failed()
        log.warning(
            "status.unsent pod=%s/%s cause=%r wait_s=%.1f",
            *(patch.namespace, patch.pod, error.cause, wait_s),
        )
        with self._change:
            self._waiting.setdefault((patch.namespace, patch.pod), patch)
        return wait_s
