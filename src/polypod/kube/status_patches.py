"""network-status on the pod itself: a merge patch of `pods/status`.

One writer; of several texts for one pod only the newest is sent. The patch carries the pod's UID,
so that a late one cannot hit a pod that was made again under the same name. An ADD neither fails
nor waits because of it, unless the operator wants that: then `StrictStatus` is the engine's door.
"""

from __future__ import annotations

import msgspec

from polypod.errors import ApiError, TryAgainError
from polypod.kube.client import MERGE, Client, Query
from polypod.kube.names import are_names
from polypod.kube.outbox import Outbox, Tally

ANNOTATION = "k8s.v1.cni.cncf.io/network-status"
WAITING = 4096
"""Texts that may wait; the oldest goes when there are more."""
STRICT_S = 10.0
"""How long an ADD waits for its text in strict mode."""
WORDS = "error setting the networks status"
NOT_FOUND = 404
GONE = frozenset({NOT_FOUND, 410})
ABOUT_UID = frozenset({409, 422})
"""A UID that is not the pod's is `immutable` (422), and a failed precondition (409) in a race."""


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """One pod's newest text."""

    namespace: str
    pod: str
    uid: str
    text: str

    @property
    def key(self) -> str:
        """Return what tells pods apart by name."""
        return f"{self.namespace}/{self.pod}"

    def body(self) -> bytes:
        """Return the merge patch (RFC 7396)."""
        metadata: dict[str, object] = {"annotations": {ANNOTATION: self.text}}
        if self.uid:
            metadata["uid"] = self.uid
        return msgspec.json.encode({"metadata": metadata})


class GoneError(ApiError):
    """The pod is gone, or was made again: there is nothing to write to."""


class StatusPatches:
    """Writes annotations; a failure is logged, repeated when that can help, and then dropped."""

    def __init__(self, client: Client) -> None:
        """Prepare; start() begins to send."""
        self._client = client
        self._outbox: Outbox[Patch] = Outbox("network-status", self._send, most=WAITING)

    def start(self) -> None:
        """Begin to send in a thread of its own."""
        self._outbox.start()

    def stop(self, timeout_s: float) -> bool:
        """Send what waits, for at most timeout_s; tell whether everything went out."""
        return self._outbox.stop(timeout_s)

    @property
    def tally(self) -> Tally:
        """Return how many texts came to which end."""
        return self._outbox.tally

    @property
    def waiting(self) -> int:
        """Tell how many texts wait."""
        return self._outbox.waiting

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Publish the text for this pod, soon."""
        if are_names(namespace, pod):
            patch = Patch(namespace=namespace, pod=pod, uid=uid, text=text)
            self._outbox.put(patch.key, patch)

    def write_now(
        self, namespace: str, pod: str, text: str, uid: str = "", *, timeout_s: float = STRICT_S
    ) -> None:
        """Publish the text for this pod, and wait until it is there.

        A pod that is gone by now is no failure: its DEL is on its way.

        Raises:
            PolypodError: the API server refused, or did not take it in time.
        """
        if not are_names(namespace, pod):
            return
        patch = Patch(namespace=namespace, pod=pod, uid=uid, text=text)
        try:
            self._outbox.put_and_wait(patch.key, patch, timeout_s)
        except GoneError:
            return
        except ApiError as error:
            raise ApiError(f"{WORDS}: {error}", status=error.status) from error
        except TryAgainError as error:
            raise TryAgainError(f"{WORDS}: {error}") from error

    def remove(self, namespace: str, pod: str) -> None:
        """Do not send what waits for this pod; what was written goes with the pod."""
        self._outbox.withdraw(f"{namespace}/{pod}")

    def _send(self, patch: Patch) -> None:
        path = f"/api/v1/namespaces/{patch.namespace}/pods/{patch.pod}/status"
        try:
            self._client.send("PATCH", Query(path=path), patch.body(), content_type=MERGE)
        except ApiError as error:
            if error.status in GONE or _is_about_uid(error):
                raise GoneError(error.cause, status=NOT_FOUND) from error
            raise


class StrictStatus:
    """The engine's door in strict mode: an ADD whose status cannot be written fails."""

    def __init__(self, patches: StatusPatches, *, timeout_s: float = STRICT_S) -> None:
        """Keep the one writer, and how long an ADD waits for it."""
        self._patches = patches
        self._timeout_s = timeout_s

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Publish the text, and wait until it is there.

        Raises:
            PolypodError: the API server refused, or did not take it in time.
        """
        self._patches.write_now(namespace, pod, text, uid, timeout_s=self._timeout_s)

    def remove(self, namespace: str, pod: str) -> None:
        """Do not send what waits for this pod."""
        self._patches.remove(namespace, pod)


def _is_about_uid(error: ApiError) -> bool:
    """Tell a pod that was made again from two writers at once: only words differ."""
    return error.status in ABOUT_UID and "uid" in error.cause.lower()
