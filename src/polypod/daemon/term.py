"""One term of office: from owning the state folder to letting go of it.

Start: undo what a crash or a reboot left, replay the spool, then serve. End: begin nothing new,
wait for what runs, leave. State survives in the journal.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec

from polypod.daemon import frames, recovery
from polypod.daemon.counted import Others
from polypod.daemon.dispatch import Dispatcher, limits
from polypod.daemon.frames import Kind
from polypod.daemon.metrics import HealthPage, Metrics
from polypod.daemon.patience import Patience
from polypod.daemon.replay import Replay
from polypod.daemon.serve import Service
from polypod.daemon.server import Server
from polypod.engine.doors import Doors
from polypod.errors import PolypodError
from polypod.store.spool import Spool

log = logging.getLogger("polypod.daemon")
DRAIN_S = 20.0
NESTED_DRAIN_S = 2.0
FIRST_REPLAY_S = 2.0
SPOOL_EVERY_S = 2.0


class Front(msgspec.Struct, frozen=True, kw_only=True):
    """What the outside sees of a daemon."""

    socket: Path
    spool: Path
    threads: int
    metrics: str = ""
    """HOST:PORT of the health page; empty for none."""
    on_ready: Callable[[], None] = msgspec.field(default=lambda: None)
    """Called when pods can be attached."""
    is_primary_ready: Callable[[], bool] = msgspec.field(default=lambda: True)
    """Tells whether the primary network is: without it the node is not, whatever we can do."""
    others: Others = msgspec.field(default_factory=Others)
    """Who else counts something, for the metrics."""


class Term:
    """The parts that live as long as the lock is held."""

    def __init__(self, front: Front, doors: Doors, wake: threading.Event) -> None:
        """Put the parts together; serve() begins, and ends when `wake` is set."""
        self._front = front
        self._doors = doors
        self._wake = wake
        self._spool = Spool(front.spool)
        self._dispatcher = Dispatcher(limits(front.threads))
        self._metrics = Metrics(
            parked=lambda: self._dispatcher.parked,
            running=lambda: self._dispatcher.running,
            others=front.others,
        )
        patience = Patience(max(1, front.threads // 8))
        self._service = Service(
            doors, self._dispatcher, self._metrics, patience, take_over=self._let_go
        )
        self._replay = Replay(self._spool, self._service, self._dispatcher)
        self._service.before_add = self._replay.of
        self._replayed = threading.Event()
        self._is_ready = False

    def serve(self) -> bool:
        """Serve until woken, then drain; tell whether every call has come to its end.

        Raises:
            PolypodError: the socket or the health page cannot be made.
        """
        page = self._open_page()
        try:
            outlived = self._recover()
            house = threading.Thread(
                target=self._keep_house, args=(outlived,), name="house", daemon=True
            )
            house.start()
            self._replayed.wait(FIRST_REPLAY_S)
            server = Server(self._front.socket, self._service.serve, threads=self._front.threads)
            server.start()
            self._is_ready = True
            log.info("daemon.ready socket=%s pid=%d", self._front.socket, os.getpid())
            self._front.on_ready()
            self._wake.wait()
            self._is_ready = False
            return self._drain(server)
        finally:
            if page is not None:
                page.stop()

    def _drain(self, server: Server) -> bool:
        """Let calls of plugins in while pods' calls end: those may be waiting for them."""
        log.info("daemon.draining running=%d parked=%d", *self._load())
        self._dispatcher.drain(DRAIN_S)
        server.close()
        in_time = self._dispatcher.wait_idle(NESTED_DRAIN_S)
        if not in_time:
            log.warning("daemon.undrained running=%d parked=%d", *self._load())
        return in_time

    def _load(self) -> tuple[int, int]:
        return self._dispatcher.running, self._dispatcher.parked

    def _let_go(self, connection: socket.socket) -> None:
        """Tell another daemon that this one lets go, and do so."""
        log.warning("daemon.asked_to_let_go")
        try:
            frames.send(connection, Kind.TAKE_OVER, b"")
        except PolypodError:
            log.debug("answer.undeliverable")
        finally:
            connection.close()
        self._wake.set()

    def _open_page(self) -> HealthPage | None:
        if not self._front.metrics:
            return None
        page = HealthPage(
            self._front.metrics,
            self._metrics,
            lambda: self._is_ready and self._front.is_primary_ready(),
        )
        page.start()
        return page

    def _recover(self) -> recovery.Containers:
        """Take back what needs no foreign plugin; return what does."""
        try:
            own, foreign = recovery.abandoned(self._doors)
        except PolypodError as error:
            log.error("recovery.failed slug=%s cause=%r", error.slug, error.cause)  # noqa: TRY400
            return ()
        recovery.take_back(own, self._doors, self._dispatcher)
        return foreign

    def _keep_house(self, outlived: recovery.Containers) -> None:
        """Replay the spool, once at first and then whenever something is there."""
        self._spool.sweep()
        self._replay.all()
        self._replayed.set()
        recovery.take_back(outlived, self._doors, self._dispatcher)
        while not self._wake.wait(SPOOL_EVERY_S):
            self._replay.all()
