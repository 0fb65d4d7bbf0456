"""The daemon's life from start to stop.

It owns the state folder before it opens anything in it, and serves as long as it does (term.py).
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import threading
from collections.abc import Callable, Iterable
from functools import partial
from types import FrameType

from polypod.cni.lists import NetworkList
from polypod.daemon import cluster, doors, farewell, owner
from polypod.daemon.cluster import Cluster
from polypod.daemon.counted import Others, nothing
from polypod.daemon.dispatch import MIN_THREADS
from polypod.daemon.lines import fields
from polypod.daemon.missed import Missed
from polypod.daemon.node_files import NodeFiles
from polypod.daemon.options import Options
from polypod.daemon.owner import OwnerLock
from polypod.daemon.term import Front, Term
from polypod.engine import node_networks
from polypod.engine.doors import Doors
from polypod.errors import ConflictError, InvalidConfigError, PolypodError
from polypod.store.conf_folder import ConfFolder
from polypod.store.journal import SqliteJournal

log = logging.getLogger("polypod.daemon")
_M_ARENA_MAX = -8
_CYCLES_AFTER = 20_000
"""Objects made and not freed since the last search; an ADD holds about a thousand."""


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
        _settle_memory()
        log.info("daemon.starting %s", _served(self._options))
        joined = cluster.find(
            self._options.kubeconfig,
            is_in_cluster=self._options.in_cluster,
            disk=doors.last_known(self._options),
        )
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
        opened = doors.open_doors(options, joined)
        ready = opened.ready
        if files is not None:
            files.primary = named_primary(options, opened)
            files.is_ready = lambda: ready is None or ready.is_there
        cache, boot_id = doors.multus_cache(options), opened.settings.boot_id
        missed = joined.missed(opened.journal, cache, boot_id) if joined else None
        begun = tuple(one for one in (files, missed) if one is not None)
        front = Front(
            socket=options.socket,
            spool=options.spool or options.state / "spool",
            threads=max(MIN_THREADS, options.threads),
            metrics=options.metrics,
            on_ready=lambda: _start(begun),
            is_primary_ready=lambda: ready is None or ready.is_there,
            others=Others(
                missed=missed.values if missed is not None else nothing,
                writes=joined.writes if joined is not None else nothing,
                reads=joined.reads if joined is not None else nothing,
                renamed=lambda: [((), files.thefts)] if files is not None else (),
            ),
        )
        try:
            is_drained = Term(front, opened, self._wake).serve()
        finally:
            for one in begun:
                one.stop()
        if is_drained:
            _close(opened)
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
        forget=doors.multus_cache(options).forget_all_of_ours,
        folder=folder,
        conf=ConfFolder(folder),
        on_theft=joined.tell_theft if joined is not None else lambda _name: None,
    )


def named_primary(
    options: Options, opened: Doors
) -> Callable[[], tuple[str, NetworkList] | None] | None:
    """Return what finds the primary that the operator named, None where nobody named one."""
    name = str(options.primary or options.cluster_network)
    if not name:
        return None

    def find() -> tuple[str, NetworkList] | None:
        network = node_networks.cluster_network(opened)
        return None if network is None else (name, network)

    return find


def _start(begun: Iterable[NodeFiles | Missed]) -> None:
    for one in begun:
        one.start()


def _close(opened: Doors) -> None:
    if isinstance(opened.journal, SqliteJournal):
        opened.journal.close()


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


def _settle_memory() -> None:
    """Look for cycles among what requests made, seldom; what was imported stays for good.

    Requests leave hardly any, and a search stops every thread.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_CYCLES_AFTER)
    gc.enable()


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
        primary=options.primary
        or options.cluster_network
        or options.conf_dir
        or options.primary_dir
        or "none",
        path=":".join(options.path),
        metrics=options.metrics or "none",
        threads=options.threads,
    )


def _pods(options: Options) -> str:
    if options.in_cluster or options.kubeconfig:
        return f"api:{options.kubeconfig or 'in-cluster'}"
    return str(options.manifests or "none")
