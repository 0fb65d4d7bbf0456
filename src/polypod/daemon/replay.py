"""Carries out the DELs that the shim kept: before the daemon serves, and whenever one appears.

A kept DEL takes its turn like any other call of its container, so it never overtakes what came
before it; and an ADD first carries out what is kept for its container, so that a DEL which was
kept before a new ADD of the same id never hits what that ADD made.
"""

from __future__ import annotations

import logging
import time
from functools import partial

from polypod.daemon import wire
from polypod.daemon.dispatch import Dispatcher, Job, Place
from polypod.daemon.frames import VersionMismatch
from polypod.daemon.lines import fields
from polypod.daemon.serve import Service, keys_of
from polypod.daemon.wire import WireRequest
from polypod.errors import PolypodError, TryAgainError
from polypod.store.spool import Spool

log = logging.getLogger("polypod.replay")
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 300.0


class Replay:
    """The kept DELs of one daemon."""

    def __init__(self, spool: Spool, service: Service, dispatcher: Dispatcher) -> None:
        """Keep the folder, and who carries out."""
        self._spool = spool
        self._service = service
        self._dispatcher = dispatcher
        self._queued: set[str] = set()
        self._pauses: dict[str, tuple[float, float]] = {}
        """By entry that failed: the next try, and the pause after it."""

    def all(self) -> None:
        """Queue every kept DEL whose time has come."""
        names = self._spool.names()
        self._pauses = {name: self._pauses[name] for name in names if name in self._pauses}
        for name in names:
            if name in self._queued or time.monotonic() < self._pauses.get(name, (0.0,))[0]:
                continue
            asked = self._parse(name)
            if asked is not None and not self._enqueue(name, asked):
                return

    def of(self, container_id: str) -> None:
        """Carry out what is kept for a container, in the calling thread."""
        for name in self._spool.names():
            asked = self._parse(name)
            if asked is not None and asked.container_id == container_id:
                self._one(name, asked)

    def _enqueue(self, name: str, asked: WireRequest) -> bool:
        job = Job(
            run=partial(self._turn, name, asked),
            drop=lambda: self._queued.discard(name),
            place=Place.OTHER,
            keys=keys_of(asked),
            size_bytes=asked.size_bytes,
        )
        self._queued.add(name)
        try:
            self._dispatcher.submit(job)
        except TryAgainError:
            self._queued.discard(name)
            return False
        return True

    def _turn(self, name: str, asked: WireRequest) -> None:
        try:
            self._one(name, asked)
        finally:
            self._queued.discard(name)

    def _one(self, name: str, asked: WireRequest) -> None:
        if not self._spool.has(name):
            return  # carried out meanwhile
        if self._service.replay(asked):
            self._spool.remove(name)
            self._pauses.pop(name, None)
            return
        _, pause = self._pauses.get(name, (0.0, FIRST_PAUSE_S))
        self._pauses[name] = (time.monotonic() + pause, min(2 * pause, LONGEST_PAUSE_S))

    def _parse(self, name: str) -> WireRequest | None:
        """Return a kept request; what is damaged is put aside, what another release wrote stays."""
        content = self._spool.read(name)
        if content is None:
            return None
        try:
            asked = wire.parse_spooled(content)
        except VersionMismatch as error:
            if name not in self._pauses:
                log.warning("spool.unread %s", fields(entry=name, cause=error.cause))
            self._pauses[name] = (time.monotonic() + LONGEST_PAUSE_S, LONGEST_PAUSE_S)
            return None
        except PolypodError as error:
            self._reject(name, error.cause)
            return None
        if asked.command != "DEL":
            self._reject(name, "only DEL is kept")
            return None
        return asked

    def _reject(self, name: str, cause: str) -> None:
        log.error("spool.damaged %s", fields(entry=name, cause=cause))
        self._spool.reject(name)
