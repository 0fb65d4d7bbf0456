"""What pods leave on a node: read before and after a case, and both must be equal.

Bridges and their gateway addresses are shared and stay by design, so they exist before the first
reading. An interface's flags and an automatic link-local address come and go with carriers.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.node import Node
from tests.e2e.programs import output, wait_until
from tests.reading import SHARED_FILE, Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces(Reading):
    """One reading."""

    links: Counter[str]
    addresses: Counter[str]
    routes: Counter[str]
    rules: Counter[str]
    nft: Counter[str]
    leases: Counter[str]
    rows: Counter[str]
    namespaces: Counter[str]
    sandboxes: Counter[str]
    spooled: Counter[str]
    statuses: Counter[str]
    cached: Counter[str]
    open_files: Counter[str]


def read(node: Node) -> Traces:
    """Read everything once."""
    return Traces(
        links=Counter(link["ifname"] for link in _ip("link")),
        addresses=Counter(_addresses()),
        routes=Counter(_routes()),
        rules=Counter(str(rule) for family in ("-4", "-6") for rule in _ip(family, "rule")),
        nft=Counter(output("nft", "list", "ruleset").splitlines()),
        leases=Counter(_files(node.leases, "*/*")),
        rows=Counter(node.rows()),
        namespaces=Counter(_files(Path("/run/netns"), "*")),
        sandboxes=Counter(node.runtime.sandboxes()),
        spooled=Counter(_files(node.spool, "*")),
        statuses=Counter(_files(node.root / "status", "*/*")),
        cached=Counter(_files(Path("/var/lib/cni"), "**/*")),
        open_files=Counter(_open_files(node)),
    )


def assert_none(node: Node, before: Traces, *, timeout_s: float = 10) -> None:
    """Fail unless the node comes back to an earlier reading, and say what differs."""
    difference: dict[str, str] = {}

    def is_clean() -> bool:
        difference.clear()
        difference.update(before.difference(read(node)))
        return not difference

    try:
        wait_until(is_clean, "nothing is left behind", timeout_s=timeout_s, every_s=0.1)
    except TimeoutError:
        raise AssertionError(f"left behind: {difference}") from None


def _ip(*words: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(output("ip", "-j", *words) or "[]")
    return found


def _addresses() -> Iterator[str]:
    for link in _ip("addr"):
        for address in link["addr_info"]:
            if address["scope"] != "link":
                yield f"{link['ifname']} {address['local']}/{address['prefixlen']}"


def _routes() -> Iterator[str]:
    for family in ("-4", "-6"):
        for route in _ip(family, "route", "show", "table", "all"):
            if not route["dst"].startswith(("fe80", "ff00")):
                yield f"{route['dst']} {route.get('dev')} {route.get('table', 'main')}"


def _files(folder: Path, pattern: str) -> Iterator[str]:
    for path in folder.glob(pattern):
        if path.is_file() and not SHARED_FILE.fullmatch(path.name):
            yield str(path.relative_to(folder))


def _open_files(node: Node) -> Iterator[str]:
    """List what the daemon has open, but for what it keeps some of.

    That are folders of leases and of spare files, and for each thread that has worked a socket to
    the kernel and the way home: never more than threads.
    """
    process = Path(f"/proc/{node.daemon.pid}")
    netlink = (process / "net" / "netlink").read_text().splitlines()[1:]
    sockets = {f"socket:[{line.split()[-1]}]" for line in netlink}
    left = 2 * len(list((process / "task").iterdir()))
    for link in (process / "fd").iterdir():
        try:
            target = link.readlink()
        except FileNotFoundError:  # closed since it was listed
            continue
        left -= (is_a_threads := str(target) in {*sockets, str((process / "ns/net").readlink())})
        is_a_folder = target.is_relative_to(node.leases) or target == node.state / "spares"
        if left < 0 or not (is_a_threads or is_a_folder):
            yield re.sub(r"\d+", "N", str(target))
