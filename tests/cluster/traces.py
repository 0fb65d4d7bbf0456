"""What a node holds of pods' networks: compared before and after every case."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import processes
from cluster.place import Place
from tests.cluster.kube import soon

from polypod.store.journal import SqliteJournal

SHARED = ("t-", "node0", "cni0", "lo", "nodelocaldns")
"""Bridges of networks, and the node's own links, belong to nobody alone: they stay."""
LEASES = Path("/var/lib/cni/networks")
STATE = Path("/var/lib/polypod")
KEPT = {"lock"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """One look at the node."""

    links: frozenset[str]
    leases: frozenset[str]
    attachments: frozenset[str]
    namespaces: frozenset[str]
    rules: frozenset[str]

    @classmethod
    def of(cls, place: Place) -> Traces:
        """Look at the node."""
        return cls(
            links=frozenset(_links(place)),
            leases=frozenset(_leases(LEASES) | _leases(place.root / "ipam")),
            attachments=frozenset(_attachments()),
            namespaces=frozenset(path.name for path in Path("/run/netns").glob("cni-*")),
            rules=frozenset(_rules(place)),
        )

    @classmethod
    def wait_equal(cls, place: Place, before: Traces, seconds: float = 40) -> None:
        """Wait until the node is as it was, and tell what is not."""
        seen: list[Traces] = []

        def is_equal() -> bool:
            seen.append(cls.of(place))
            return seen[-1] == before

        try:
            soon(is_equal, "the node as it was before", seconds)
        except AssertionError as error:
            left = {
                name: sorted(getattr(seen[-1], name) ^ getattr(before, name))
                for name in cls.__dataclass_fields__
            }
            raise AssertionError(f"left behind: {left}") from error


def _json(place: Place, *command: str) -> Any:
    ran = subprocess.run(
        processes.inside(place, list(command)), capture_output=True, text=True, check=True
    )
    return json.loads(ran.stdout or "[]")


def _links(place: Place) -> set[str]:
    names = {link["ifname"] for link in _json(place, "ip", "-j", "link")}
    return {name for name in names if not name.startswith(SHARED)}


def _leases(folder: Path) -> set[str]:
    if not folder.is_dir():
        return set()
    files = [path for path in folder.glob("*/*") if path.name not in KEPT]
    return {str(path) for path in files if not path.name.startswith("last_reserved_ip")}


def _attachments() -> set[str]:
    path = STATE / "journal.db"
    if not path.exists():
        return set()
    journal = SqliteJournal(path)
    try:
        return {f"{record.container_id}/{record.ifname}" for record in journal.all()}
    finally:
        journal.close()


def _rules(place: Place) -> set[str]:
    found = _json(place, "nft", "-j", "list", "ruleset")["nftables"]
    return {
        json.dumps(entry["rule"]["comment"])
        for entry in found
        if "rule" in entry and "comment" in entry["rule"] and "kube" not in entry["rule"]["table"]
    }
