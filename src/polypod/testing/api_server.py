"""An API server in memory: as much of the Kubernetes API as Polypod speaks, over real HTTP.

Lists with limit and continue, watches with bookmarks and time-outs, 410 after compaction, merge
patches with a UID as precondition, and the faults that real servers have. The contract suite in
tests/contract runs on it and on a real kube-apiserver.
"""

from __future__ import annotations

import itertools
import json
import threading
import uuid
from collections.abc import Iterator
from typing import Self

from polypod.kube.access import Access
from polypod.testing.api_http import (
    CLAIMS,
    DEFINITIONS,
    EVENTS,
    PODS,
    SLICES,
    HttpServer,
    RefusedError,
    Table,
    status,
)


class FakeApiServer:
    """One server on a port of the loopback; use it as a context."""

    def __init__(self, *, token: str = "") -> None:
        """Begin empty; a token makes requests without it 401."""
        self.token = token
        self.requests: list[str] = []
        """`METHOD target` of every request, in order."""
        self.fail_next: list[int] = []
        """Status codes for the next requests, whatever they ask."""
        self._objects: dict[str, dict[tuple[str, str], Table]] = {
            PODS: {},
            EVENTS: {},
            DEFINITIONS: {},
            CLAIMS: {},
            SLICES: {},
        }
        self._versions = itertools.count(2)
        self._version = 1
        self._oldest = 0
        self._history: list[tuple[int, str, str, Table]] = []
        self._change = threading.Condition()
        self.epoch = 0
        """How often all watches were ended."""
        self._is_closed = False
        self._server = HttpServer(self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )

    def __enter__(self) -> Self:
        """Begin to serve."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop and end every watch, also one whose request is still being read."""
        self._is_closed = True
        self.end_watches()
        self._server.shutdown()
        self._server.server_close()

    @property
    def port(self) -> int:
        """Return the port."""
        return int(self._server.server_address[1])

    @property
    def access(self) -> Access:
        """Return the way in."""
        return Access(host="127.0.0.1", port=self.port, tls=False)

    # The world, as a test changes it.

    def put(self, collection: str, wanted: Table) -> Table:
        """Create or replace an object; return it as it is stored."""
        with self._change:
            key = _key(wanted)
            known = self._objects[collection].get(key)
            metadata = dict(wanted["metadata"])
            metadata["uid"] = metadata.get("uid") or (
                known["metadata"]["uid"] if known else str(uuid.uuid4())
            )
            stored = {**wanted, "metadata": metadata}
            self._store(collection, key, stored, "MODIFIED" if known else "ADDED")
            return stored

    def delete(self, collection: str, namespace: str, name: str) -> None:
        """Delete an object."""
        with self._change:
            gone = self._objects[collection].pop((namespace, name))
            self._tell(collection, "DELETED", gone)

    def get(self, collection: str, namespace: str, name: str) -> Table | None:
        """Return an object as it is now."""
        with self._change:
            return self._objects[collection].get((namespace, name))

    def all(self, collection: str) -> list[Table]:
        """Return every object of a collection."""
        with self._change:
            return list(self._objects[collection].values())

    def compact(self) -> None:
        """Forget the history: older resourceVersions are answered with 410."""
        with self._change:
            self._history.clear()
            self._oldest = self._version

    def end_watches(self) -> None:
        """End every watch, as a server that restarts does."""
        with self._change:
            self.epoch += 1
            self._change.notify_all()

    # The API, as requests reach it.

    def list(self, collection: str, query: dict[str, str]) -> Table:
        """Answer a list: one page, or all."""
        with self._change:
            chosen = [o for o in self._objects[collection].values() if _selects(query, o)]
            version = self._version
        limit, begin = int(query.get("limit", "0")), 0
        if "continue" in query:
            if self._oldest > int(query["continue"].split(":")[0]):
                raise RefusedError(410, "Expired", "the continue parameter is too old")
            begin = int(query["continue"].split(":")[1])
        page = chosen[begin : begin + limit] if limit else chosen[begin:]
        metadata: Table = {"resourceVersion": str(version)}
        if limit and begin + limit < len(chosen):
            metadata["continue"] = f"{version}:{begin + limit}"
        return {"kind": "List", "metadata": metadata, "items": page}

    def check_version(self, query: dict[str, str]) -> None:
        """Refuse a watch from a version that is forgotten."""
        seen = int(query.get("resourceVersion") or 0)
        if seen < self._oldest:
            raise RefusedError(410, "Expired", f"too old resource version: {seen}")

    def watch(self, collection: str, query: dict[str, str], epoch: int) -> Iterator[Table]:
        """Yield events until the time-out, the end of watches, or an expired version."""
        seen = int(query.get("resourceVersion") or 0)
        left_s = float(query.get("timeoutSeconds", "300"))
        while True:
            with self._change:
                if self._is_closed or self.epoch != epoch:  # later changes are the next watch's
                    return
                if self._oldest > seen:  # also when that came about before this watch began
                    yield {"type": "ERROR", "object": status(410, "Expired", "compacted")}
                    return
                events = [e for e in self._history if e[0] > seen and e[2] == collection]
                if not events:
                    if not self._change.wait(left_s):
                        yield _bookmark(self._version)
                        return
                    continue
            for version, kind, _, found in events:
                seen = version
                if _selects(query, found):
                    yield {"type": kind, "object": found}

    def patch_status(self, namespace: str, name: str, change: Table) -> Table:
        """Merge a patch into a pod's metadata, by way of its status."""
        with self._change:
            key = (namespace, name)
            known = self._objects[PODS].get(key)
            if known is None:
                raise RefusedError(404, "NotFound", f'pods "{name}" not found')
            wanted = change.get("metadata", {})
            if wanted.get("uid", known["metadata"]["uid"]) != known["metadata"]["uid"]:
                raise RefusedError(422, "Invalid", "metadata.uid: field is immutable")
            annotations = {
                **known["metadata"].get("annotations", {}),
                **wanted.get("annotations", {}),
            }
            stored = {**known, "metadata": {**known["metadata"], "annotations": annotations}}
            self._store(PODS, key, stored, "MODIFIED")
            return stored

    def create_event(self, wanted: Table) -> Table:
        """Create an event; its name must be new."""
        with self._change:
            key = _key(wanted)
            if key in self._objects[EVENTS]:
                raise RefusedError(409, "AlreadyExists", f'events "{key[1]}" already exists')
            self._store(EVENTS, key, wanted, "ADDED")
            return wanted

    def patch_event(self, namespace: str, name: str, change: Table) -> Table:
        """Merge a patch into an event."""
        with self._change:
            known = self._objects[EVENTS].get((namespace, name))
            if known is None:
                raise RefusedError(404, "NotFound", f'events "{name}" not found')
            stored = {**known, **change}
            self._store(EVENTS, (namespace, name), stored, "MODIFIED")
            return stored

    def _store(self, collection: str, key: tuple[str, str], stored: Table, kind: str) -> None:
        self._objects[collection][key] = stored
        self._tell(collection, kind, stored)

    def _tell(self, collection: str, kind: str, changed: Table) -> None:
        self._version = next(self._versions)
        changed["metadata"]["resourceVersion"] = str(self._version)
        self._history.append((self._version, kind, collection, json.loads(json.dumps(changed))))
        self._change.notify_all()


def _key(wanted: Table) -> tuple[str, str]:
    metadata = wanted["metadata"]
    return metadata.get("namespace", "default"), metadata["name"]


def _selects(query: dict[str, str], found: Table) -> bool:
    wanted = [part.partition("=") for part in query.get("fieldSelector", "").split(",") if part]
    spec = found.get("spec", {})
    return all(spec.get(field.removeprefix("spec.")) == value for field, _, value in wanted)


def _bookmark(version: int) -> Table:
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version)}}}
