"""What one node's folders say: the primary, Multus's own file, and the pods that run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from polypod.cni import node
from polypod.doctor import multus
from polypod.doctor.facts import Facts, NodeFiles, Sandbox
from polypod.doctor.finding import Effect, Finding
from polypod.ipam import IPAM
from polypod.plugins import PLUGINS

TAKEN_OVER = (
    "Pods that Multus attached before a switch are taken down from its own cache, see"
    " [Switch from Multus](howto/switch.md)."
)
ROWS = (TAKEN_OVER,)
"""The rows of the page that these rules decide on."""


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Say what a node needs before it can be switched, and what becomes of its pods."""
    if facts.node is None:
        return ()
    return (*_primary(facts, facts.node), *_sandboxes(facts.node))


def _primary(facts: Facts, files: NodeFiles) -> Iterator[Finding]:
    subject = "node"
    if not files.configurations:
        return
    found = node.choose(files.configurations)
    cluster = multus.told(facts).settings.cluster_network
    if found is None:
        yield Finding(
            effect=Effect.BLOCKS,
            subject=subject,
            text="has no configuration but Multus's own",
            hint="write the first of its delegates to a file of its own, such as 10-primary.conf",
        )
        return
    name = found[0]
    theirs = cluster.rpartition("/")[2] if "/" in cluster else ""
    if theirs and theirs != name and theirs in files.configurations:
        yield Finding(
            effect=Effect.SAME,
            subject=subject,
            text=f"the primary is {theirs}, as clusterNetwork says, though {name} comes first",
        )
        return
    yield Finding(effect=Effect.SAME, subject=subject, text=f"the primary is {name}")


def _sandboxes(files: NodeFiles) -> Iterator[Finding]:
    if not files.sandboxes:
        return
    good = [one for one in files.sandboxes if not one.fault]
    if good:
        yield Finding(
            effect=Effect.SAME,
            subject="node",
            text=f"{len(good)} sandboxes of Multus's are taken down when their pods end",
            row=TAKEN_OVER,
            hint="leave Multus's folder until the last of them is gone",
        )
    for one in files.sandboxes:
        if one.fault:
            yield Finding(
                effect=Effect.DIFFERS,
                subject=f"sandbox {one.container_id[:13]}",
                text=f"Multus's record of it is unusable, for Multus too: {one.fault}",
                hint="restart its pod, and look for leases that it leaves",
            )
    yield from _executables(files, good)


def _executables(files: NodeFiles, sandboxes: list[Sandbox]) -> Iterator[Finding]:
    needed = Counter(type_ for one in sandboxes for type_ in one.types)
    for type_, count in sorted(needed.items()):
        if type_ in PLUGINS or type_ in IPAM or files.plugins is None:
            continue
        if type_ not in files.plugins:
            yield Finding(
                effect=Effect.DIFFERS,
                subject="node",
                text=f"{count} sandboxes were made by {type_}, whose executable is gone",
                hint="put it back before those pods end, or look for what they leave",
            )
