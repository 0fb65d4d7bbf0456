"""What a start does with attachments that nobody will ask for: the half made, and the outlived.

A crash leaves records without a result; a reboot leaves records whose sandboxes are gone, and so
does a time without an agent. All are taken back, container by container, each on its own: one that
fails is left to its DEL and to the next start, and never keeps the daemon from serving. Foreign
plugins may take their time, so what needs one is done while the daemon serves already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

from polypod.daemon import sandboxes
from polypod.daemon.dispatch import Dispatcher, Job, Place
from polypod.daemon.lines import bound, fields
from polypod.engine import collect
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError
from polypod.plan.record import ForeignStep, Record

log = logging.getLogger("polypod.recovery")
Containers = Sequence[tuple[Record, ...]]


def abandoned(doors: Doors) -> tuple[Containers, Containers]:
    """Return containers to take back: those that need no foreign plugin, and those that do.

    Raises:
        PolypodError: the journal cannot be read.
    """
    ordered = sorted(doors.journal.all(), key=lambda record: record.container_id)
    is_abandoned = _abandonment(doors)
    own: list[tuple[Record, ...]] = []
    foreign: list[tuple[Record, ...]] = []
    for _, group in groupby(ordered, key=lambda record: record.container_id):
        records = tuple(group)
        if any(map(is_abandoned, records)):
            runs_plugin = any(isinstance(s, ForeignStep) for r in records for s in r.steps)
            (foreign if runs_plugin else own).append(records)
    return own, foreign


def take_back(found: Containers, doors: Doors, dispatcher: Dispatcher) -> None:
    """Take containers back, each in its turn among the other calls of that container."""
    for records in found:
        job = Job(
            run=partial(_one, records, doors),
            drop=_wait_for_the_next_start,
            place=Place.OTHER,
            keys=frozenset({f"container {records[0].container_id}"}),
        )
        try:
            dispatcher.submit(job)
        except PolypodError:
            return  # ending already: the next start does the rest


def _abandonment(doors: Doors) -> Callable[[Record], bool]:
    """Look at the node's sandboxes; return what tells whether nobody will ask for a record."""
    boot_id, has_ended = doors.settings.boot_id, sandboxes.ended()

    def is_abandoned(record: Record) -> bool:
        is_of_before = bool(record.boot_id) and record.boot_id != boot_id
        return not record.result or is_of_before or has_ended(record)

    return is_abandoned


def _one(records: tuple[Record, ...], doors: Doors) -> None:
    first = records[0]
    pod = f"{first.pod_namespace}/{first.pod_name}" if first.pod_name else ""
    with bound(pod=pod, container=first.container_id):
        still = doors.journal.of_container(first.container_id)
        if not any(map(_abandonment(doors), still)):
            return  # its DEL came first
        try:
            collect.remove(list(still), Caller(), doors)
            if doors.cache is not None:
                doors.cache.forget_ours(first.container_id)
        except PolypodError as error:
            log.error("recovery.failed %s", fields(slug=error.slug, cause=error.cause))  # noqa: TRY400
            return
        log.warning("recovery.undone networks=%d", len(still))


def _wait_for_the_next_start() -> None:
    """Drop what was not begun: its records stay."""
