"""DEL: the journal replayed backwards. It needs no pod, no definition and no API server."""

from __future__ import annotations

from polypod.cni.request import Request
from polypod.engine import takeover, undo
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError
from polypod.plan.record import Record


def detach(request: Request, caller: Caller, doors: Doors) -> None:
    """Take all of a container's networks back; a container nobody knows is success.

    Raises:
        PolypodError: something could not be removed; its record stays, and DEL may be repeated.
    """
    records = doors.journal.of_container(request.container_id)
    if not records:
        takeover.detach(request, caller, doors)
    release(records, caller, doors)


def release(records: tuple[Record, ...], caller: Caller, doors: Doors) -> None:
    """Withdraw the status of a container's pod, unless another one has it, and undo its records.

    The status goes first: once no record tells of it, nobody would know that it is left.

    Raises:
        PolypodError: the first thing that could not be undone, with the others as notes.
    """
    if not records:
        return
    container = records[0].container_id
    for namespace, name in {(record.pod_namespace, record.pod_name) for record in records}:
        if namespace and name and not doors.journal.has_pod(namespace, name, besides=container):
            doors.status.remove(namespace, name)
    faults = undo.records(records, caller, doors)
    if faults:
        raise _one_error(faults)


def _one_error(faults: list[PolypodError]) -> PolypodError:
    first = faults[0]
    for other in faults[1:]:
        first.add_note(str(other))
    return first
