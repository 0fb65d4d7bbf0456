"""What runs beside Multus: what stays, and what has no work any more."""

from __future__ import annotations

from collections.abc import Iterator

from polypod.doctor import multus
from polypod.doctor.facts import Facts, Workload
from polypod.doctor.finding import Effect, Finding

HOT_PLUG = "A change of a running pod's annotation does nothing."
ROWS = (HOT_PLUG,)
"""The rows of the page that these rules decide on."""
STAYING = {
    "whereabouts": "keeps giving addresses: its executable is run as before",
    "sriov": "keeps its devices and its executable",
    "ovs-cni": "keeps its executable and its bridges",
    "ovn": "keeps its executable",
    "dhcp": "keeps its socket: the dhcp executable is run as before",
    "network-resources-injector": "keeps working: it reads the same annotations",
    "nad-injector": "keeps working: it reads the same annotations",
    "multus-networkpolicy": "keeps working: it reads network-status",
    "multi-networkpolicy": "keeps working: it reads network-status",
    "virt-handler": "keeps working: it reads network-status",
    "net-attach-def-admission": "keeps working: definitions are the same",
}
"""Programs by a part of their name or image, and why they stay."""


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Say of each workload whether it stays."""
    return tuple(finding for one in facts.workloads for finding in _one(one))


def _one(workload: Workload) -> Iterator[Finding]:
    subject = f"{workload.kind} {workload.namespace}/{workload.name}"
    words = " ".join((workload.name, *workload.images)).lower()
    if "dynamic-networks" in words:
        yield Finding(
            effect=Effect.BLOCKS,
            subject=subject,
            text="adds and removes interfaces of running pods through Multus's socket",
            row=HOT_PLUG,
            hint="pods must be recreated to get other networks; delete it with Multus",
        )
        return
    if multus.is_multus(workload):
        form = "thick" if "multus-daemon" in " ".join(workload.arguments) else "thin"
        text = f"is Multus, {form}: {', '.join(workload.images)}"
        yield Finding(effect=Effect.SAME, subject=subject, text=text)
        return
    for part, why in STAYING.items():
        if part in words:
            yield Finding(effect=Effect.SAME, subject=subject, text=why)
            return
