"""The API server's part of a daemon: pods and definitions come from it, status and events go to it.

It lives as long as the process, across terms of office: a daemon that stands by knows its pods
already when it takes over.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import msgspec

from polypod.daemon.missed import Missed
from polypod.engine.doors import Journal
from polypod.errors import InvalidConfigError
from polypod.kube import kubeconfig, running
from polypod.kube.access import Access, in_cluster
from polypod.kube.cache import ApiSource
from polypod.kube.client import Client
from polypod.kube.events import REST_S, Events, Happening
from polypod.kube.last_known import Disk
from polypod.kube.status_patches import StatusPatches
from polypod.store.multus_cache import MultusCache

log = logging.getLogger("polypod.daemon")
SYNC_S = 20.0
LAST_KNOWN_SYNC_S = 3.0
"""Where pods are known of before, nothing is lost by serving without the first lists."""
FLUSH_S = 5.0


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    """One node's connection to the API server."""

    client: Client
    node: str
    source: ApiSource
    status: StatusPatches
    events: Events

    def start(self) -> None:
        """Begin to watch and to write; wait a while for the first lists, then go on without."""
        self.source.start()
        self.status.start()
        self.events.start()
        patience_s = LAST_KNOWN_SYNC_S if self.source.has_last_known else SYNC_S
        if not self.source.wait_synced(patience_s):
            log.warning("cluster.unsynced seconds=%d", patience_s)

    def stop(self) -> None:
        """Write what waits, and end the watches."""
        self.status.stop(FLUSH_S)
        self.events.stop(FLUSH_S)
        self.source.stop()

    def missed(self, journal: Journal, multus: MultusCache, boot_id: str) -> Missed:
        """Return what finds this node's pods that started without us, and says so."""
        return Missed(
            look=partial(running.asking, self.client, self.node),
            attached=partial(_attached, journal, boot_id),
            is_there=lambda pod: any(known.uid == pod.uid for known in self.source.pods()),
            others=multus.pod_uids,
            tell=self.events.tell,
        )

    def tell_theft(self, name: str) -> None:
        """Say on the Node that somebody put our CNI configuration aside."""
        self.events.tell(
            Happening(
                namespace="default",
                about=self.node,
                uid=self.node,  # as the kubelet's own events about its node have it
                kind="Node",
                reason="CNIConfigurationRenamed",
                message=f"somebody renamed Polypod's CNI configuration to {name};"
                " with Cilium, set cni.exclusive=false in its Helm values",
                is_warning=True,
            )
        )

    def writes(self) -> list[tuple[tuple[str, str], float]]:
        """Return how many patches and events came to which end, for the metrics."""
        tallies = (("status", self.status.tally), ("event", self.events.tally))
        return [
            ((kind, end), float(getattr(tally, end)))
            for kind, tally in tallies
            for end in ("written", "retried", "dropped")
        ]

    def reads(self) -> list[tuple[tuple[str], float]]:
        """Return how many objects were not in memory, for the metrics."""
        return [((kind,), float(number)) for kind, number in self.source.reads.items()]


def _attached(journal: Journal, boot_id: str) -> frozenset[tuple[str, str]]:
    """Return the pods that were attached in this boot: records of another outlived their pods."""
    return frozenset(
        (record.pod_namespace, record.pod_name)
        for record in journal.all()
        if record.boot_id == boot_id
    )


def connect(access: Access, node: str, disk: Disk | None = None) -> Cluster:
    """Return the connection of a node; start() opens it."""
    client = Client(access, agent=f"polypod ({node})")
    return Cluster(
        client=client,
        node=node,
        source=ApiSource(client, node, disk=disk),
        status=StatusPatches(client),
        events=Events(client, node, rest_s=REST_S),
    )


def find(
    path: Path | None,
    *,
    is_in_cluster: bool,
    environment: Mapping[str, str] = os.environ,
    disk: Disk | None = None,
) -> Cluster | None:
    """Return the connection that the options ask for, None for a node without API server.

    `disk` keeps what was known last, for a start while the API server is away.

    Raises:
        InvalidConfigError: the API server, or this node's name, is not known.
    """
    if path is None and not is_in_cluster:
        return None
    node = environment.get("NODE_NAME", "")
    if not node:
        raise InvalidConfigError(
            "NODE_NAME is not set", hint="it is the name of this node's Node object"
        )
    access = kubeconfig.read(path) if path else in_cluster(environment)
    return connect(access, node, disk)
