"""Pods of this node that have a sandbox and ask for networks: listed when somebody wants to know.

The watch keeps metadata only; whether a sandbox is there stands in the status. It is read in small
pages, and nothing of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from polypod.kube import reading
from polypod.kube.client import Client, Query
from polypod.kube.paged import Pages

PAGE = 50
NETWORKS = ("k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network")
HAS_SANDBOX = "PodReadyToStartContainers"


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """One pod whose sandbox runs."""

    namespace: str
    name: str
    uid: str


class _Meta(msgspec.Struct):
    name: str
    namespace: str | None = ""
    uid: str | None = ""
    annotations: dict[str, str] | None = None
    deletionTimestamp: str | None = None  # noqa: N815 - the API's word


class _Spec(msgspec.Struct):
    hostNetwork: bool | None = False  # noqa: N815 - the API's word


class _Condition(msgspec.Struct):
    type: str = ""
    status: str = ""


class _Status(msgspec.Struct):
    phase: str | None = ""
    conditions: list[_Condition] | None = None


class _Pod(msgspec.Struct):
    metadata: _Meta
    spec: _Spec | None = None
    status: _Status | None = None


_decode = msgspec.json.Decoder(_Pod).decode


def asking(client: Client, node: str) -> tuple[Running, ...]:
    """Return the pods of a node that run in a sandbox and ask for networks.

    Raises:
        ApiError: the server refused.
        TryAgainError: it cannot be reached.
        DecodeError: its answer makes no sense.
    """
    return tuple(
        Running(
            namespace=pod.metadata.namespace or "default",
            name=pod.metadata.name,
            uid=pod.metadata.uid or "",
        )
        for pod in _pods(client, node)
        if _is_asking(pod)
    )


def _is_asking(pod: _Pod) -> bool:
    annotations, status = pod.metadata.annotations or {}, pod.status or _Status()
    return (
        any(annotations.get(name) for name in NETWORKS)
        and not (pod.spec or _Spec()).hostNetwork
        and pod.metadata.deletionTimestamp is None
        and status.phase in {"Pending", "Running"}
        and any(one.type == HAS_SANDBOX and one.status == "True" for one in status.conditions or ())
    )


def _pods(client: Client, node: str) -> Iterator[_Pod]:
    query = Query(path="/api/v1/pods", parameters=(("fieldSelector", f"spec.nodeName={node}"),))
    for raw in Pages(client, query, limit=PAGE).objects():
        yield reading.read(_decode, raw, "a pod")
