"""What can be left behind, listed, so that before and after can be compared."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from demo.node import Node
from demo.spaces import FOLDER, Space


def of_node(node: Node) -> dict[str, list[str]]:
    """Return a node's links, addresses, leases and journal rows."""
    return {
        "links": sorted(f"{link.name} ({link.kind or 'device'})" for link in node.space.links()),
        "addresses": sorted(
            f"{address} on {name}"
            for name, all_ in node.space.addresses().items()
            for address in all_
        ),
        "leases": node.leases(),
        "journal rows": [f"{row['pod']} {row['interface']}" for row in node.attachments()],
    }


def of_pod(space: Space) -> list[str]:
    """Return a pod's links beside its loopback (and devices that the kernel adds by itself)."""
    automatic = {"lo", "sit0", "tunl0", "ip6tnl0", "gre0", "gretap0", "erspan0", "ip_vti0"}
    return sorted(link.name for link in space.links() if link.name not in automatic)


def of_lab(outside: Space | None, namespaces: Iterable[int]) -> dict[str, list[str]]:
    """Return what the lab as a whole shows: namespaces, mounts, processes in them."""
    inodes = frozenset(namespaces)
    named = sorted(path.name for path in FOLDER.iterdir()) if FOLDER.is_dir() else []
    # Mounts of namespaces that others made come and go as they like: only ours are counted.
    ours = {f"net:[{inode}]" for inode in inodes}
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {
        "links": sorted(link.name for link in outside.links()) if outside else [],
        "namespaces": named,
        "mounts": sorted(line.split()[4] for line in mounts if line.split()[3] in ours),
        "processes": sorted(_processes(inodes)),
    }


def _processes(inodes: frozenset[int]) -> Iterable[str]:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            inode = (entry / "ns" / "net").stat().st_ino
        except OSError:  # ended meanwhile, or somebody else's
            continue
        if inode in inodes:
            yield entry.name


def difference(before: dict[str, list[str]], after: dict[str, list[str]]) -> list[str]:
    """Return what is there now and was not, and what was there and is not."""
    found: list[str] = []
    for kind, now in after.items():
        was = before.get(kind, [])
        found += [f"{kind}: {item} is left" for item in now if item not in was]
        found += [f"{kind}: {item} is gone" for item in was if item not in now]
    return found
