"""The one place where the engine meets the real doors, and the daemon's life from start to stop.

Start: own the state folder, undo what a crash left half made, replay the spool, then serve.
Stop (SIGTERM): let nobody in, wait for those inside, leave. State survives in the journal.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from polypod.daemon import wire
from polypod.daemon.dispatch import Dispatcher
from polypod.daemon.metrics import HealthPage, Metrics
from polypod.daemon.serve import Service
from polypod.daemon.server import OwnerLock, Server
from polypod.engine import collect
from polypod.engine.doors import Doors, Settings
from polypod.errors import PolypodError
from polypod.foreign.run import ForeignDoor
from polypod.kernel.door import KernelDoor
from polypod.kube.manifests import ManifestSource
from polypod.kube.nothing import NoSource, NoStatus
from polypod.kube.status_files import StatusFiles
from polypod.store.backups import BackupFiles
from polypod.store.journal import SqliteJournal
from polypod.store.leases import LeaseFiles
from polypod.store.networks import NetworkFiles
from polypod.store.spool import Spool

log = logging.getLogger("polypod.daemon")

SOCKET = Path("/run/polypod/polypod.sock")
STATE = Path("/var/lib/polypod")
THREADS = 32
SLOW_LIMIT = 28
ADD_LIMIT = 24
DRAIN_S = 20.0
SPOOL_EVERY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line may set."""

    socket: Path = SOCKET
    state: Path = STATE
    manifests: Path | None = None
    status: Path | None = None
    primary: Path | None = None
    networks: Path | None = None
    data_root: Path | None = None
    path: tuple[str, ...] = ("/opt/cni/bin",)
    spool: Path | None = None
    metrics: str = ""
    """HOST:PORT of the health page; empty for none."""
    threads: int = THREADS
    namespace_isolation: bool = True
    global_namespaces: frozenset[str] = frozenset({"default"})


def boot_id() -> str:
    """Return what tells one boot of the machine from another."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def open_doors(options: Options) -> Doors:
    """Return the real doors.

    Raises:
        StorageError: the state folder cannot be used.
    """
    roots = (options.state, *((options.data_root,) if options.data_root else ()))
    leases = (options.data_root or Path("/var/lib/cni")) / "networks"
    return Doors(
        kernel=KernelDoor(),
        journal=SqliteJournal(options.state / "journal.db"),
        pools=LeaseFiles(default=leases, roots=roots),
        backups=BackupFiles(roots=roots),
        foreign=ForeignDoor(),
        source=ManifestSource(options.manifests) if options.manifests else NoSource(),
        networks=NetworkFiles(options.primary, options.networks),
        status=StatusFiles(options.status) if options.status else NoStatus(),
        seed=lambda: secrets.token_hex(4),
        wall=time.time,
        monotonic=time.monotonic,
        settings=Settings(
            path=options.path,
            namespace_isolation=options.namespace_isolation,
            global_namespaces=options.global_namespaces,
            boot_id=boot_id(),
        ),
    )


class Daemon:
    """One node's daemon."""

    def __init__(self, options: Options) -> None:
        """Own the state folder and recover; run() serves.

        Raises:
            PolypodError: another daemon owns the folder, or it cannot be used.
        """
        self._options = options
        self._lock = OwnerLock(options.state / "lock")
        self._doors = open_doors(options)
        self._spool = Spool(options.spool or options.state / "spool")
        self._dispatcher = Dispatcher(slow_limit=SLOW_LIMIT, add_limit=ADD_LIMIT)
        self._metrics = Metrics(
            parked=lambda: self._dispatcher.parked, running=lambda: self._dispatcher.running
        )
        self._service = Service(self._doors, self._dispatcher, self._metrics)
        self._stop = threading.Event()
        self._ready = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain.

        Raises:
            StorageError: the socket cannot be made.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        page = self._open_page()
        self._recover()
        self._replay_spool()
        server = Server(self._options.socket, self._service.serve, threads=self._options.threads)
        server.start()
        self._ready = True
        log.info("daemon.ready socket=%s pid=%d", self._options.socket, os.getpid())
        while not self._stop.wait(SPOOL_EVERY_S):
            self._replay_spool()
        self._ready = False
        log.info("daemon.draining")
        server.close()
        self._dispatcher.wait_idle(DRAIN_S)
        if page is not None:
            page.stop()
        self._lock.release()
        log.info("daemon.stopped")

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._stop.set()

    def _open_page(self) -> HealthPage | None:
        if not self._options.metrics:
            return None
        host, _, port = self._options.metrics.rpartition(":")
        page = HealthPage(host or "127.0.0.1", int(port), self._metrics, lambda: self._ready)
        page.start()
        return page

    def _recover(self) -> None:
        try:
            count = collect.recover(self._doors)
        except PolypodError as error:
            log.error("recover.failed slug=%s cause=%r", error.slug, error.cause)  # noqa: TRY400
            return
        if count:
            log.warning("recover.undone containers=%d", count)

    def _replay_spool(self) -> None:
        """Carry out DELs that the shim kept while nobody served."""
        for entry in self._spool.entries():
            try:
                asked = wire.parse_request_payload(entry.content)
            except PolypodError as error:
                log.error("spool.damaged entry=%s cause=%r", entry.name, error.cause)  # noqa: TRY400
                self._spool.reject(entry)
                continue
            code, _ = self._service.answer(asked, self._doors)
            if code == 0:
                self._spool.remove(entry)
