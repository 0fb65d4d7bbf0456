"""One accepted connection: read the request, wait for its turn, carry it out, answer.

Called by server.py's threads. What a verb does is verbs.py's; who runs when is dispatch.py's. An
ADD whose caller is gone is not begun, and one whose answer nobody takes is taken back.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import msgspec

from polypod.cni import arguments, fields
from polypod.daemon import verbs, wire
from polypod.daemon.dispatch import Dispatcher, DrainingError, Job, Place
from polypod.daemon.frames import CallerGoneError, Late, VersionMismatch
from polypod.daemon.lines import bound
from polypod.daemon.lines import fields as shown
from polypod.daemon.metrics import Metrics
from polypod.daemon.patience import Patience
from polypod.daemon.report import Done, report
from polypod.daemon.shim_foreign import ShimForeign
from polypod.daemon.tombstones import Tombstones
from polypod.daemon.verbs import Answer
from polypod.daemon.watch import WatchedJournal
from polypod.daemon.wire import WireRequest
from polypod.engine.doors import Doors, Foreign
from polypod.errors import PolypodError, UnknownContainerError
from polypod.ipam import IPAM

log = logging.getLogger("polypod.serve")


class Service:
    """Serves connections with one set of doors."""

    def __init__(
        self,
        doors: Doors,
        dispatcher: Dispatcher,
        metrics: Metrics,
        patience: Patience,
        *,
        take_over: Callable[[socket.socket], None] = socket.socket.close,
    ) -> None:
        """Keep the doors, the queue and the counters.

        `take_over` answers another daemon that asks for the socket.
        """
        self._doors = doors
        self._dispatcher = dispatcher
        self._metrics = metrics
        self._patience = patience
        self._take_over = take_over
        self._tombstones = Tombstones()
        self.before_add: Callable[[str], None] = lambda _container_id: None
        """Carries out DELs of a container that the shim kept while nobody served."""

    def serve(self, connection: socket.socket) -> None:
        """Read one request and run it, here or later in the thread that makes room."""
        try:
            with self._patience.one() as waiting:
                asked = wire.receive_request(connection, waiting)
        except VersionMismatch as error:
            log.warning("request.refused %s", shown(slug=error.slug, cause=error.cause))
            self._metrics.count_error(error.slug)
            _end(connection, partial(wire.send_mismatch, connection))
        except (CallerGoneError, Late) as error:
            log.info("request.unread %s", shown(cause=error.cause))
            connection.close()
        except PolypodError as error:
            self._refuse(connection, error)
        else:
            if asked is None:
                self._take_over(connection)
            else:
                self._submit(connection, asked)

    def replay(self, asked: WireRequest) -> bool:
        """Carry a kept DEL out, in the calling thread; tell whether that went well."""
        with bound(**_who(asked)):
            if not verbs.is_by_name(asked):
                self._tombstones.bury(asked.container_id, asked.started)
            done = self._carry_out(asked, self._doors.foreign)
            report(done, self._metrics)
        return done.answer.code == 0

    def _submit(self, connection: socket.socket, asked: WireRequest) -> None:
        if asked.command == "DEL" and not verbs.is_by_name(asked):
            self._tombstones.bury(asked.container_id, asked.started)
        place = place_of(asked)
        job = Job(
            run=lambda: self._turn(connection, asked),
            drop=lambda: _close(connection, asked),
            place=place,
            keys=keys_of(asked) if place.is_pods else frozenset(),
            size_bytes=asked.size_bytes,
        )
        try:
            self._dispatcher.submit(job)
        except DrainingError:
            _close(connection, asked)  # the shim waits for the next daemon
        except PolypodError as error:
            asked.close()
            self._refuse(connection, error)

    def _turn(self, connection: socket.socket, asked: WireRequest) -> None:
        """Carry one request out, answer it, and take back what nobody took."""
        try:
            with bound(**_who(asked)):
                if _is_gone(connection):
                    log.info("request.abandoned %s", shown(verb=asked.command))
                    return
                foreign = ShimForeign(connection, self._doors.foreign)
                done = self._carry_out(asked, foreign)
                self._deliver(connection, asked, done.answer)
                report(done, self._metrics)
        finally:
            _close(connection, asked)

    def _carry_out(self, asked: WireRequest, foreign: Foreign) -> Done:
        begun = time.monotonic()
        journal = WatchedJournal(self._doors.journal)
        doors = replace(self._doors, journal=journal, foreign=foreign)
        answer = self._overtaken(asked) or verbs.answer(asked, doors)
        seconds = time.monotonic() - begun
        return Done(asked=asked, answer=answer, journal=journal, seconds=seconds)

    def _overtaken(self, asked: WireRequest) -> Answer | None:
        """Answer an ADD whose DEL came first; others are None."""
        if asked.command != "ADD" or verbs.is_by_name(asked):
            return None
        self.before_add(asked.container_id)
        if not self._tombstones.is_late(asked.container_id, asked.started):
            return None
        error = UnknownContainerError("this container was deleted before its ADD came")
        return Answer(code=1, stdout=verbs.refusal(error), slug=error.slug)

    def _deliver(self, connection: socket.socket, asked: WireRequest, answer: Answer) -> None:
        try:
            wire.send_result(connection, answer.code, answer.stdout)
        except PolypodError as error:
            log.warning("answer.undeliverable %s", shown(verb=asked.command, cause=error.cause))
            if asked.command == "ADD" and answer.code == 0:
                self._take_back(asked)

    def _take_back(self, asked: WireRequest) -> None:
        """Undo an ADD whose answer nobody took.

        The records of its container are all of this ADD: it began without any, and the queue lets
        nobody else at them meanwhile. No tombstone: the runtime may try again with the same id.
        """
        undo = msgspec.structs.replace(
            asked, environment={**asked.environment, "CNI_COMMAND": "DEL"}
        )
        undone = self._carry_out(undo, self._doors.foreign)
        log.warning("answer.undone %s", shown(slug=undone.answer.slug))

    def _refuse(self, connection: socket.socket, error: PolypodError) -> None:
        log.warning("request.refused %s", shown(slug=error.slug, cause=error.cause))
        self._metrics.count_error(error.slug)
        _end(connection, partial(wire.send_result, connection, 1, verbs.refusal(error)))


def place_of(asked: WireRequest) -> Place:
    """Tell what a request may have to wait for."""
    if verbs.is_by_name(asked):
        return Place.NESTING if _runs_a_plugin(asked) else Place.LEAF
    if asked.command in {"STATUS", "VERSION"}:
        return Place.LEAF
    return Place.ADD if asked.command == "ADD" else Place.OTHER


def keys_of(asked: WireRequest) -> frozenset[str]:
    """Return the pod and the container whose calls keep their order: none for GC and STATUS."""
    if asked.command in {"GC", "STATUS"}:
        return frozenset()
    given = dict(arguments.pairs(asked.environment.get("CNI_ARGS", "")))
    namespace, name = given.get("K8S_POD_NAMESPACE", ""), given.get("K8S_POD_NAME", "")
    pod = {f"pod {namespace}/{name}"} if namespace and name else set[str]()
    container = {f"container {asked.container_id}"} if asked.container_id else set[str]()
    return frozenset(pod | container)


def _runs_a_plugin(asked: WireRequest) -> bool:
    """Tell whether a plugin called by name has an IPAM plugin that is not built in."""
    try:
        ipam = fields.table(fields.decode_object(asked.stdin, "config"), "ipam") or {}
        type_ = fields.text(ipam, "type")
    except PolypodError:
        return False  # it will be refused, without running anything
    return bool(type_) and type_ not in IPAM


def _who(asked: WireRequest) -> dict[str, str]:
    given = dict(arguments.pairs(asked.environment.get("CNI_ARGS", "")))
    namespace, name = given.get("K8S_POD_NAMESPACE", ""), given.get("K8S_POD_NAME", "")
    return {"pod": f"{namespace}/{name}" if name else "", "container": asked.container_id}


def _is_gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _end(connection: socket.socket, last_words: Callable[[], None]) -> None:
    """Say something to somebody who may have gone, and hang up."""
    try:
        last_words()
    except PolypodError:
        log.debug("answer.undeliverable")
    finally:
        connection.close()


def _close(connection: socket.socket, asked: WireRequest) -> None:
    connection.close()
    asked.close()
