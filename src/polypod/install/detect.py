"""Finds out what a cluster runs on, from its nodes and DaemonSets: platform and primary.

Two lists are read, nothing is written. What is not recognised is left for the user to say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from polypod.errors import InvalidConfigError
from polypod.install.platforms import PRIMARIES
from polypod.kube.client import Query

MOST = 500
"""So many nodes and DaemonSets are looked at."""
WAIT_S = 5.0
_talos = re.compile(r"Talos \(v(\d+\.\d+)[.\w-]*\)")
FLANNEL = "flannel.alpha.coreos.com/backend-type"
"""Flannel writes it on every node, also where it is part of the distribution (k3s)."""


class Api(Protocol):
    """The part of the API client that is used: reading."""

    def get(self, query: Query, *, timeout_s: float) -> bytes:
        """Return the body of a GET."""
        ...


class Metadata(msgspec.Struct):
    """What is used of an object's metadata."""

    name: str = ""
    namespace: str = ""
    annotations: dict[str, str] | None = None


class NodeSystem(msgspec.Struct, rename="camel"):
    """What the kubelet says of its node."""

    os_image: str = ""
    kubelet_version: str = ""


class NodeStatus(msgspec.Struct, rename="camel"):
    """The part of a node's status that is used."""

    node_info: NodeSystem = msgspec.field(default_factory=NodeSystem)


class NodeSpec(msgspec.Struct):
    """The part of a node's spec that is used."""

    provider_id: str = msgspec.field(default="", name="providerID")


class Node(msgspec.Struct):
    """One node."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class Nodes(msgspec.Struct):
    """The answer to a list of nodes."""

    items: tuple[Node, ...] = ()


class DaemonSet(msgspec.Struct):
    """One DaemonSet."""

    metadata: Metadata = msgspec.field(default_factory=Metadata)


class DaemonSets(msgspec.Struct):
    """The answer to a list of DaemonSets."""

    items: tuple[DaemonSet, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A name from platforms.py, empty for none, and what it was seen by."""

    name: str
    seen: str


def platform(api: Api) -> Found:
    """Return what the nodes run on.

    Raises:
        InvalidConfigError: there are no nodes, or nodes of several kinds.
        ApiError, TryAgainError: the cluster did not answer.
    """
    return platform_of(_nodes(api))


def platform_of(nodes: Sequence[Node]) -> Found:
    """Return what these nodes run on.

    Raises:
        InvalidConfigError: there are no nodes, or nodes of several kinds.
    """
    kinds = Counter(_kind(node) for node in nodes)
    if not kinds:
        raise InvalidConfigError("the cluster has no nodes", hint="say --platform")
    if len(kinds) > 1:
        shown = ", ".join(f"{count} of {name}" for name, count in sorted(kinds.items()))
        raise InvalidConfigError(
            f"the cluster has nodes of several kinds: {shown}",
            hint="render once with each --platform, and give each DaemonSet a nodeSelector",
        )
    system = nodes[0].status.node_info
    seen = f"{len(nodes)} nodes: {system.os_image}, kubelet {system.kubelet_version}"
    return Found(name=next(iter(kinds)), seen=seen)


def talos_release(api: Api) -> Found:
    """Return the release of Talos that all nodes run.

    Raises:
        InvalidConfigError: a node runs something else, or another release.
        ApiError, TryAgainError: the cluster did not answer.
    """
    images = Counter(node.status.node_info.os_image for node in _nodes(api))
    found = {_talos.match(image) for image in images}
    releases = {match[1] for match in found if match is not None}
    if None in found or len(releases) != 1:
        shown = ", ".join(f"{count} of {image or 'nothing'}" for image, count in images.items())
        raise InvalidConfigError(
            f"the nodes do not all run one release of Talos: {shown or 'there are none'}",
            hint="say --talos-version, once for each release",
        )
    return Found(name=releases.pop(), seen=f"{images.total()} nodes: {', '.join(sorted(images))}")


def primary(api: Api) -> Found:
    """Return which primary network runs, with an empty name for none that is known.

    Raises:
        ApiError, TryAgainError: the cluster did not answer.
    """
    query = Query(path="/apis/apps/v1/daemonsets", parameters=(("limit", str(MOST)),))
    found = msgspec.json.decode(api.get(query, timeout_s=WAIT_S), type=DaemonSets)
    named = {thing.metadata.name: thing.metadata.namespace for thing in found.items}
    chosen = primary_of(named)
    return chosen if chosen.name else _by_annotation(_nodes(api))


def primary_of(daemon_sets: Mapping[str, str]) -> Found:
    """Return the primary among DaemonSets, which come as names with their namespaces."""
    for known in PRIMARIES.values():
        for name in known.daemon_sets:
            if name in daemon_sets:
                return Found(name=known.name, seen=f"DaemonSet {daemon_sets[name]}/{name}")
    return Found(name="", seen="no DaemonSet of a primary that is known")


def _by_annotation(nodes: Sequence[Node]) -> Found:
    """Return Flannel where a node carries its annotation and no DaemonSet is there."""
    for node in nodes:
        if FLANNEL in (node.metadata.annotations or {}):
            return Found(name="flannel", seen=f"its annotation on node {node.metadata.name}")
    return primary_of({})


def _nodes(api: Api) -> tuple[Node, ...]:
    query = Query(path="/api/v1/nodes", parameters=(("limit", str(MOST)),))
    return msgspec.json.decode(api.get(query, timeout_s=WAIT_S), type=Nodes).items


def _kind(node: Node) -> str:
    system = node.status.node_info
    if system.os_image.startswith("Talos"):
        return "talos"
    for name in ("k3s", "rke2"):
        if f"+{name}" in system.kubelet_version:
            return name
    return "kind" if node.spec.provider_id.startswith("kind://") else "kubeadm"
