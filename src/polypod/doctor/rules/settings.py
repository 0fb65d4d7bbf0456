"""What a switch means for Multus's settings: each is kept, without effect here, or lost."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from polypod.doctor import multus
from polypod.doctor.facts import Facts
from polypod.doctor.finding import Effect, Finding
from polypod.nad.node_settings import KEYS, NodeSettings, Note, Verdict

ISOLATION = (
    "Namespace isolation is on: a pod uses definitions of its own namespace and of `default`."
    " `--no-namespace-isolation` switches it off."
)
ROWS = (ISOLATION,)
"""The rows of the page that these rules decide on."""
CACHE = "/var/lib/cni"
_effects = {
    Verdict.TRANSLATED: Effect.SAME,
    Verdict.WITHOUT_EFFECT: Effect.SAME,
    Verdict.UNSUPPORTED: Effect.DIFFERS,
    Verdict.UNKNOWN: Effect.SAME,
}


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Say of each setting what becomes of it."""
    found = multus.told(facts)
    if not facts.settings and not any(multus.is_multus(one) for one in facts.workloads):
        return ()
    noted = {note.key for note in found.notes}
    return (
        *(_unreadable(fault) for fault in found.faults),
        *(_note(note) for note in found.notes if note.key != "delegates"),
        *_kept(found, noted),
        *_places(found.settings),
        *_delegates(facts, found),
    )


def _unreadable(fault: str) -> Finding:
    return Finding(
        effect=Effect.BLOCKS,
        subject="settings",
        text=f"cannot be read: {fault}",
        hint="correct it, so that its values can be kept",
    )


def _note(note: Note) -> Finding:
    return Finding(
        effect=_effects[note.verdict],
        subject=f"setting {note.key}",
        text=f"{note.verdict.value}: {note.text}",
    )


def _kept(found: multus.Told, noted: set[str]) -> Iterator[Finding]:
    for key in sorted(found.given - noted):
        value = msgspec.json.encode(getattr(found.settings, KEYS[key].name)).decode()
        yield Finding(effect=Effect.SAME, subject=f"setting {key}", text=f"is kept: {value[:200]}")


def _places(settings: NodeSettings) -> Iterator[Finding]:
    if not f"{settings.cni_dir}/".startswith(f"{CACHE}/"):
        yield Finding(
            effect=Effect.DIFFERS,
            subject="setting cniDir",
            text=f"is {settings.cni_dir}, which the agent does not see",
            hint=f"add a hostPath for it beside {CACHE}, or pods that run leave their leases",
        )


def _delegates(facts: Facts, found: multus.Told) -> Iterator[Finding]:
    """Judge networks that are written into Multus's own configuration (the thin form)."""
    inline = multus.delegates(facts)
    if found.settings.cluster_network or not inline:
        return
    first, *others = inline
    yield Finding(
        effect=Effect.SAME,
        subject="setting delegates",
        text=f"the first one, {first}, is the primary that is found in the node's CNI folder",
    )
    if others:
        yield Finding(
            effect=Effect.BLOCKS,
            subject="setting delegates",
            text=f"gives every pod {', '.join(others)} too",
            hint="write each to a file below confDir, and name them in defaultNetworks",
        )
