"""A kube-apiserver with its etcd, as the contract suite wants to change it."""

from __future__ import annotations

import json
import signal
import urllib.request
from functools import partial
from typing import cast

from cluster import control_plane, pki, processes
from cluster.place import ETCD_PORT, Place
from tests.contract.api_suite import soon

from polypod.errors import ApiError
from polypod.install.crd import crd
from polypod.kube import kubeconfig
from polypod.kube.access import Access
from polypod.kube.client import MERGE, Client, Query
from polypod.testing.api_http import CLAIMS, DEFINITIONS, EVENTS, PODS, SLICES, Table

NOT_FOUND = 404
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
AT_ONCE = json.dumps({"gracePeriodSeconds": 0, "propagationPolicy": "Background"}).encode()


class RealLab:
    """One control plane; used from inside its network namespace."""

    def __init__(self, place: Place) -> None:
        """Prepare what the suite's objects need: the CRD and an account for pods."""
        self._place = place
        self._client = Client(self.access)

    @property
    def access(self) -> Access:
        """Return the administrator's way in."""
        return kubeconfig.read(pki.kubeconfig(self._place.pki, "admin"))

    def prepare(self) -> None:
        """Make what a cluster's controllers would: nobody else is there."""
        account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
        self._create("/api/v1/namespaces/default/serviceaccounts", account)
        self._create(CRDS, crd())
        soon(lambda: self._answers(DEFINITIONS))

    def clear(self) -> None:
        """Delete every object of the suite."""
        for collection in (PODS, DEFINITIONS, EVENTS, CLAIMS, SLICES):
            self._send("DELETE", _place(collection), AT_ONCE)
            soon(partial(self._is_empty, collection))

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    def put(self, collection: str, wanted: Table) -> Table:
        """Create or change an object; return it as it is stored."""
        name = wanted["metadata"]["name"]
        body = json.dumps(wanted).encode()
        if self.get(collection, "default", name) is None:
            raw = self._send("POST", _place(collection), body)
        else:
            raw = self._send("PATCH", _place(collection, name), body, content_type=MERGE)
        if "status" in wanted:
            status = json.dumps({"status": wanted["status"]}).encode()
            place = f"{_place(collection, name)}/status"
            raw = self._send("PATCH", place, status, content_type=MERGE)
        return cast("Table", json.loads(raw))

    def delete(self, collection: str, namespace: str, name: str) -> None:
        """Delete an object at once."""
        assert namespace == "default"
        self._send("DELETE", _place(collection, name), AT_ONCE)
        soon(lambda: self.get(collection, namespace, name) is None)

    def get(self, collection: str, namespace: str, name: str) -> Table | None:
        """Return an object."""
        assert namespace == "default"
        try:
            raw = self._client.get(Query(path=_place(collection, name)))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise
        return cast("Table", json.loads(raw))

    def all(self, collection: str) -> list[Table]:
        """Return every object of the default namespace."""
        raw = self._client.get(Query(path=_place(collection)))
        return cast("list[Table]", json.loads(raw)["items"])

    def compact(self) -> None:
        """Have etcd forget what was before its newest revision."""
        key = "AA=="  # the first of all keys, in base64
        revision = _etcd("range", {"key": key, "limit": 1})["header"]["revision"]
        _etcd("compaction", {"revision": revision, "physical": True})

    def end_watches(self) -> None:
        """Kill the API server and start it again: its memory of past versions goes too."""
        processes.stop(self._place, "kube-apiserver", signal.SIGKILL)
        control_plane.start_api_server(self._place)

    def _is_empty(self, collection: str) -> bool:
        return not self.all(collection)

    def _create(self, path: str, wanted: Table) -> None:
        self._send("POST", path, json.dumps(wanted).encode())

    def _answers(self, path: str) -> bool:
        try:
            self._client.get(Query(path=path))
        except ApiError:
            return False
        return True

    def _send(
        self, method: str, path: str, body: bytes, content_type: str = "application/json"
    ) -> bytes:
        return self._client.send(method, Query(path=path), body, content_type=content_type)


def _place(collection: str, name: str = "") -> str:
    """Return the path of an object, or of all, in the default namespace where it has one."""
    group, _, plural = collection.rpartition("/")
    if collection == SLICES:
        return collection + (f"/{name}" if name else "")
    return f"{group}/namespaces/default/{plural}" + (f"/{name}" if name else "")


def _etcd(what: str, body: dict[str, object]) -> Table:
    """Ask etcd by its JSON gateway."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{ETCD_PORT}/v3/kv/{what}",
        data=json.dumps(body).encode(),
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return cast("Table", json.load(answer))
