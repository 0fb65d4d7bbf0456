"""What was attached by hand, found again in the journal: for `del`, `check` and `gc`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polypod.daemon.doors import boot_id
from polypod.engine.by_hand import NETWORK
from polypod.errors import StorageError
from polypod.kernel.door import KernelDoor
from polypod.plan.record import Record
from polypod.store.journal import SqliteJournal


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which attachments are meant; empty fields mean any."""

    netns: str = ""
    pod: tuple[str, str] | None = None
    networks: tuple[str, ...] = ()
    """NAMESPACE/NAME of definitions that were named on the command line, not by a pod."""
    container_id: str = ""


def records(state: Path) -> tuple[Record, ...]:
    """Return every record, without owning the journal or changing it.

    Raises:
        StorageError: it cannot be read.
    """
    path = state / "journal.db"
    try:
        if not path.exists():
            return ()
    except OSError as error:
        raise StorageError(
            f"journal: {error.strerror}: {path}",
            hint="become root, or say where the state is: --state or POLYPOD_STATE",
        ) from error
    journal = SqliteJournal(path, read_only=True)
    try:
        return journal.all()
    finally:
        journal.close()


def by_hand(found: Sequence[Record]) -> tuple[Record, ...]:
    """Return those that were made by hand."""
    return tuple(record for record in found if record.called == NETWORK)


def containers(found: Sequence[Record], wanted: Filter) -> list[tuple[str, str]]:
    """Return (container id, interface of the call) of attachments that match, newest first."""
    here = cookie(wanted.netns) if wanted.netns else 0
    boot = boot_id()
    matching = [record for record in found if _matches(record, wanted, here, boot)]
    newest_first = sorted(matching, key=lambda record: record.created, reverse=True)
    return list(dict.fromkeys((record.container_id, record.ifname) for record in newest_first))


def cookie(netns: str) -> int:
    """Return the kernel's number for a namespace, 0 when it is gone."""
    with KernelDoor().enter(sandbox=netns, host=None) as namespaces:
        return namespaces.cookie


def is_gone(record: Record) -> bool:
    """Tell whether the namespace of a record is no more: its path may lead to another by now."""
    if record.boot_id != boot_id():
        return True
    return not record.netns or cookie(record.netns) != record.cookie


def _matches(record: Record, wanted: Filter, here: int, boot: str) -> bool:
    if wanted.container_id and record.container_id != wanted.container_id:
        return False
    if wanted.pod is not None and wanted.pod != (record.pod_namespace, record.pod_name):
        return False
    if wanted.networks and (record.pod_name or record.display_name not in wanted.networks):
        return False
    if not wanted.netns:
        return True
    if here and record.cookie and record.boot_id == boot:
        return here == record.cookie
    return record.netns == wanted.netns
