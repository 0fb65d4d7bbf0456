"""The one place where the engine meets the real doors, and the daemon's life from start to stop.

It owns the state folder before it opens anything in it, and serves as long as it does (term.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import resource
import secrets
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from polypod.daemon import cluster, farewell, owner
from polypod.daemon.cluster import Cluster
from polypod.daemon.dispatch import MIN_THREADS
from polypod.daemon.lines import fields
from polypod.daemon.node_files import NodeFiles
from polypod.daemon.owner import OwnerLock
from polypod.daemon.term import Front, Term
from polypod.engine.doors import Doors, Networks, Settings, Source, StatusSink
from polypod.errors import ConflictError, InvalidConfigError, PolypodError
from polypod.foreign.mounts import RuntimeMounts
from polypod.foreign.run import ForeignDoor
from polypod.kernel.door import KernelDoor
from polypod.kube.manifests import ManifestSource
from polypod.kube.nothing import NoSource, NoStatus
from polypod.kube.status_files import StatusFiles
from polypod.store.backups import BackupFiles
from polypod.store.conf_folder import ConfFolder
from polypod.store.journal import SqliteJournal
from polypod.store.leases import LeaseFiles
from polypod.store.multus_cache import MultusCache
from polypod.store.networks import NetworkFiles

log = logging.getLogger("polypod.daemon")
_M_ARENA_MAX = -8

SOCKET = Path("/run/polypod/polypod.sock")
STATE = Path("/var/lib/polypod")
THREADS = 32


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
    runtime: Path | None = None
    """The container runtime's socket, for a daemon whose mounts are not the runtime's."""
    shim: Path | None = None
    """The shim program, which enters the runtime's mounts."""
    metrics: str = ""
    """HOST:PORT of the health page; empty for none."""
    threads: int = THREADS
    stand_by_s: float = 0.0
    """How long to wait for another daemon to let go; 0 refuses at once."""
    namespace_isolation: bool = True
    global_namespaces: frozenset[str] = frozenset({"default"})
    kubeconfig: Path | None = None
    in_cluster: bool = False
    """Pods and definitions come from the API server that runs this pod."""
    conf_dir: Path | None = None
    """The node's CNI configuration folder: the primary is found there, ours is kept there."""
    place_shim: Callable[[], object] | None = None
    """Places the shim where the runtime looks for plugins."""
    remove_shim: Callable[[], object] | None = None


def boot_id() -> str:
    """Return what tells one boot of the machine from another."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def open_doors(options: Options, joined: Cluster | None = None) -> Doors:
    """Return the real doors; pods come from the API server when one is joined.

    Raises:
        StorageError: the state folder cannot be used.
    """
    roots = (options.state, *((options.data_root,) if options.data_root else ()))
    data = options.data_root or Path("/var/lib/cni")
    return Doors(
        kernel=KernelDoor(),
        journal=SqliteJournal(options.state / "journal.db"),
        pools=LeaseFiles(default=data / "networks", roots=roots),
        backups=BackupFiles(roots=roots),
        foreign=ForeignDoor(mounts=plugins_mounts(options)),
        source=_source(options, joined),
        networks=_networks(options),
        status=_status(options, joined),
        seed=lambda: secrets.token_hex(4),
        wall=time.time,
        monotonic=time.monotonic,
        settings=Settings(
            path=options.path,
            namespace_isolation=options.namespace_isolation,
            global_namespaces=options.global_namespaces,
            boot_id=boot_id(),
        ),
        cache=MultusCache(data),
    )


def _source(options: Options, joined: Cluster | None) -> Source:
    if joined is not None:
        return joined.source
    return ManifestSource(options.manifests) if options.manifests else NoSource()


def _status(options: Options, joined: Cluster | None) -> StatusSink:
    if joined is not None:
        return joined.status
    return StatusFiles(options.status) if options.status else NoStatus()


def _networks(options: Options) -> Networks:
    if options.conf_dir is not None and options.primary is None:
        return ConfFolder(options.conf_dir, options.networks)
    return NetworkFiles(options.primary, options.networks)


def plugins_mounts(options: Options) -> RuntimeMounts | None:
    """Return where foreign plugins run that no shim asked for; None for this process's mounts."""
    if options.runtime is None or options.shim is None:
        return None
    return RuntimeMounts(options.runtime, options.shim)


class Daemon:
    """One node's daemon."""

    def __init__(self, options: Options) -> None:
        """Keep the options; run() serves."""
        self._options = options
        self._wake = threading.Event()
        self._is_stopping = False

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            PolypodError: another daemon owns the state folder, or something cannot be opened.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        _allow_many_files()
        _share_heaps()
        log.info("daemon.starting %s", _served(self._options))
        joined = cluster.find(self._options.kubeconfig, is_in_cluster=self._options.in_cluster)
        lock = OwnerLock(self._options.state / "lock")
        is_drained = True
        try:
            if joined is not None:
                joined.start()
            self._own(lock)
            while is_drained and not self._is_stopping:
                is_drained = self._serve(joined)
                if is_drained:
                    self._stand_by(lock)
        finally:
            if joined is not None:
                self._leave(joined)
            if is_drained:
                lock.close()
        log.info("daemon.stopped")
        if not is_drained:
            _end_at_once()

    def _stand_by(self, lock: OwnerLock) -> None:
        """Let go of the lock; when that was asked for, wait until it is free again."""
        lock.release()
        self._wake.clear()
        if not self._is_stopping:  # looked at after the clearing: a signal may come any time
            log.info("daemon.standing_by")
            lock.wait(self._wake)

    def _leave(self, joined: Cluster) -> None:
        """Take our files away when the DaemonSet is gone: the node goes back to its primary."""
        joined.stop()
        files = node_files(self._options, joined)
        if files is None or not self._is_stopping or not farewell.is_for_good(joined.client):
            return
        try:
            files.withdraw()
            log.info("daemon.uninstalled")
        except PolypodError as error:
            log.error("daemon.uninstall_failed cause=%r", error.cause)  # noqa: TRY400

    def _own(self, lock: OwnerLock) -> None:
        if lock.take():
            return
        if self._options.stand_by_s > 0:
            log.info("daemon.standing_by seconds=%d", self._options.stand_by_s)
            ask = partial(owner.ask, self._options.socket)
            if lock.succeed(self._options.stand_by_s, self._wake, ask) or self._is_stopping:
                return
        raise ConflictError(
            f"another daemon owns {self._options.state}",
            hint="stop it, take its place with --stand-by, or give --state another folder",
        )

    def _serve(self, joined: Cluster | None) -> bool:
        """Serve for one term; tell whether every call has come to its end."""
        options, files = self._options, node_files(self._options, joined)
        if files is not None:
            files.place_shim()
        front = Front(
            socket=options.socket,
            spool=options.spool or options.state / "spool",
            threads=max(MIN_THREADS, options.threads),
            metrics=options.metrics,
            on_ready=files.start if files is not None else lambda: None,
        )
        doors = open_doors(options, joined)
        try:
            is_drained = Term(front, doors, self._wake).serve()
        finally:
            if files is not None:
                files.stop()
        if is_drained:
            _close(doors)
        return is_drained

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._is_stopping = True
        self._wake.set()


def node_files(options: Options, joined: Cluster | None = None) -> NodeFiles | None:
    """Return what keeps the node's files, None when nobody asked for that.

    Raises:
        InvalidConfigError: one of the two folders is missing.
    """
    folder, place, remove = options.conf_dir, options.place_shim, options.remove_shim
    if folder is None and place is None:
        return None
    if folder is None or place is None or remove is None:
        raise InvalidConfigError("--conf-dir and --shim-dir belong together")
    return NodeFiles(
        place_shim=place,
        remove_shim=remove,
        folder=folder,
        conf=ConfFolder(folder),
        on_theft=joined.tell_theft if joined is not None else lambda _name: None,
    )


def _close(doors: Doors) -> None:
    if isinstance(doors.journal, SqliteJournal):
        doors.journal.close()


def _end_at_once() -> None:
    """End the process with the calls that are still at work; the kernel frees the lock with it.

    So nobody else owns the state folder while they go on, and the next start undoes them.
    """
    logging.shutdown()
    os._exit(0)


def _share_heaps() -> None:
    """Let threads share two heaps of the C library; one for each would keep what it ever held."""
    with contextlib.suppress(AttributeError):  # musl has one anyway
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


def _allow_many_files() -> None:
    """Raise the soft limit: every waiting call holds a connection and two namespaces."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _served(options: Options) -> str:
    """Say in one line what this daemon serves, and from where."""
    return fields(
        socket=options.socket,
        state=options.state,
        pods=_pods(options),
        status=options.status or "none",
        primary=options.primary or options.conf_dir or "none",
        path=":".join(options.path),
        metrics=options.metrics or "none",
        threads=options.threads,
    )


def _pods(options: Options) -> str:
    if options.in_cluster or options.kubeconfig:
        return f"api:{options.kubeconfig or 'in-cluster'}"
    return str(options.manifests or "none")
