"""What a node holds of pods' networks: compared before and after every case.

Bridges of networks, with their gateway's addresses and routes, belong to nobody alone: they stay by
design, and so do the node's own links and kube-proxy's rules.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cluster import processes
from cluster.place import Place
from tests.cluster import agent
from tests.cluster.kube import soon
from tests.reading import SHARED_FILE, Reading

from polypod.store.journal import SqliteJournal

SHARED = ("t-", "node0", "cni0", "lo", "nodelocaldns")
LEASES = Path("/var/lib/cni/networks")
STATE = Path("/var/lib/polypod")
KUBE_PROXY = "kube-proxy"
SOCKETS = 24
"""Kept connections come and go, and each thread has a socket to the kernel; more are a leak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces(Reading):
    """One look at the node."""

    links: Counter[str]
    addresses: Counter[str]
    routes: Counter[str]
    rules: Counter[str]
    nft: Counter[str]
    leases: Counter[str]
    attachments: Counter[str]
    spooled: Counter[str]
    namespaces: Counter[str]
    cached: Counter[str]
    open_files: Counter[str]

    @classmethod
    def of(cls, place: Place) -> Traces:
        """Look at the node."""
        return cls(
            links=Counter(_links(place)),
            addresses=Counter(_addresses(place)),
            routes=Counter(_routes(place)),
            rules=Counter(
                str(rule) for family in ("-4", "-6") for rule in _ip(place, family, "rule")
            ),
            nft=Counter(_nft(place)),
            leases=Counter((*_files(LEASES, "*/*"), *_files(place.root / "ipam", "*/*"))),
            attachments=Counter(_attachments()),
            spooled=Counter(_files(STATE / "spool", "*")),
            namespaces=Counter(_files(Path("/run/netns"), "cni-*")),
            cached=Counter(_files(Path("/var/lib/cni"), "results/*")),
            open_files=Counter(_open_files()),
        )

    @classmethod
    def wait_equal(cls, place: Place, before: Traces, seconds: float = 40) -> None:
        """Wait until the node is as it was, and tell what is not."""
        left: list[dict[str, str]] = []

        def is_equal() -> bool:
            left.append(before.difference(cls.of(place)))
            return not left[-1]

        try:
            soon(is_equal, "the node as it was before", seconds)
        except AssertionError as error:
            raise AssertionError(f"left behind: {left[-1]}") from error


def _output(place: Place, *command: str) -> str:
    inside = processes.inside(place, list(command))
    return subprocess.run(inside, capture_output=True, text=True, check=True, timeout=30).stdout


def _ip(place: Place, *words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(_output(place, "ip", "-j", *words) or "[]")
    return found


def _links(place: Place) -> Iterator[str]:
    for link in _ip(place, "link"):
        if not link["ifname"].startswith(SHARED):
            yield link["ifname"]


def _addresses(place: Place) -> Iterator[str]:
    for link in _ip(place, "addr"):
        if not link["ifname"].startswith(SHARED):
            for address in link["addr_info"]:
                yield f"{link['ifname']} {address['local']}/{address['prefixlen']}"


def _routes(place: Place) -> Iterator[str]:
    for family in ("-4", "-6"):
        for route in _ip(place, family, "route", "show", "table", "all"):
            if not str(route.get("dev", "")).startswith(SHARED):
                yield f"{route['dst']} {route.get('dev')} {route.get('table', 'main')}"


def _nft(place: Place) -> Iterator[str]:
    """Return rules, chains and elements without counters, a line each, but for kube-proxy's."""
    listed = json.loads(_output(place, "nft", "-j", "--stateless", "list", "ruleset"))["nftables"]
    for entry in listed:
        ((kind, what),) = entry.items()
        if kind != "metainfo" and KUBE_PROXY not in (what.get("table"), what.get("name")):
            what.pop("handle", None)
            yield f"{kind} {json.dumps(what, sort_keys=True)}"


def _files(folder: Path, pattern: str) -> Iterator[str]:
    for path in folder.glob(pattern):
        if not SHARED_FILE.fullmatch(path.name):
            yield str(path)


def _attachments() -> Iterator[str]:
    path = STATE / "journal.db"
    if path.exists():
        journal = SqliteJournal(path, read_only=True)
        try:
            yield from (f"{record.container_id}/{record.ifname}" for record in journal.all())
        finally:
            journal.close()


def _open_files() -> Iterator[str]:
    """List what the agent has open, but for leases' folders, and for sockets while they are few."""
    sockets = 0
    threads = 0
    for pid in agent.pids()[:1]:
        threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(link.readlink())
            except OSError:  # closed since it was listed, or the agent has ended
                continue
            sockets += target.startswith("socket:")
            if not target.startswith(("socket:", str(LEASES))):
                yield re.sub(r"\d+", "N", target)
    if sockets > SOCKETS + threads:
        yield f"{sockets} sockets"
