"""GC and recovery: attachments that nobody owns any more are taken back.

Runtimes list only what they know, (container id, `eth0`): a container id that is listed keeps all
of its interfaces, and only records of the network that was called are looked at (CNI 1.1.0, GC).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby

from polypod.cni import fields
from polypod.cni.request import Request
from polypod.engine import detach, node_networks, primary_chain
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError
from polypod.plan.record import Record

VALID: tuple[str, ...] = ("cni.dev/valid-attachments", "cni.dev/attachments")


def collect(request: Request, caller: Caller, doors: Doors) -> None:
    """Remove attachments of the called network whose container is not listed as valid.

    A configuration without a list removes nothing: an absent key is no statement. Afterwards the
    primary's own plugins are told the same list, with every interface of the valid containers.

    Raises:
        PolypodError: something could not be removed; the rest was.
    """
    listed = next(
        (found for key in VALID if (found := fields.objects(request.config.raw, key)) is not None),
        None,
    )
    if listed is None:
        return
    valid = {fields.text(entry, "containerID") for entry in listed}
    stale = [
        record
        for record in doors.journal.all()
        if record.called == request.config.name and record.container_id not in valid
    ]
    remove(stale, caller, doors)
    primary = node_networks.cluster_network(doors)
    if primary is not None and not primary.disable_gc:
        attachments = _attachments(listed, doors)
        told = dict.fromkeys(VALID, attachments)
        primary_chain.ask("GC", primary, request, doors, told)


def _attachments(listed: Sequence[Mapping[str, object]], doors: Doors) -> list[dict[str, str]]:
    """Return what is valid: what the caller lists, and what the journal has of those containers."""
    found = {(fields.text(entry, "containerID"), fields.text(entry, "ifname")) for entry in listed}
    valid = {container_id for container_id, _ in found}
    found |= {
        (record.container_id, record.ifname)
        for record in doors.journal.all()
        if record.container_id in valid
    }
    return [{"containerID": container, "ifname": ifname} for container, ifname in sorted(found)]


def recover(doors: Doors) -> int:
    """Undo attachments that a crash left half made; return how many containers that concerned.

    Raises:
        PolypodError: something could not be removed; the rest was.
    """
    broken = {record.container_id for record in doors.journal.all() if not record.result}
    remove([r for r in doors.journal.all() if r.container_id in broken], Caller(), doors)
    return len(broken)


def remove(records: list[Record], caller: Caller, doors: Doors) -> None:
    """Take records back, container by container; the first failure is raised at the end.

    Raises:
        PolypodError: something could not be removed; the rest was.
    """
    host_only = Caller(host=caller.host)
    fault: PolypodError | None = None
    ordered = sorted(records, key=lambda record: (record.container_id, record.position))
    for _, group in groupby(ordered, key=lambda record: record.container_id):
        try:
            detach.release(tuple(group), host_only, doors)
        except PolypodError as error:
            fault = fault or error
    if fault is not None:
        raise fault
