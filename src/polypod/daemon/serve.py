"""Turns one accepted connection into one engine verb and its answer.

Called by server.py's threads. Bad input of any kind becomes a CNI error object; nothing else
leaves here.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from polypod.cni import arguments, failure
from polypod.cni import request as cni_request
from polypod.cni.request import Command, Request
from polypod.daemon import wire
from polypod.daemon.dispatch import Dispatcher, Job
from polypod.daemon.metrics import Metrics
from polypod.daemon.shim_foreign import ShimForeign
from polypod.engine import attach, check, collect, detach, single, status
from polypod.engine.doors import Caller, Doors
from polypod.errors import InternalError, PolypodError

log = logging.getLogger("polypod.serve")
REQUEST_DEADLINE_S = 5.0


class Service:
    """Serves connections with one set of doors."""

    def __init__(self, doors: Doors, dispatcher: Dispatcher, metrics: Metrics) -> None:
        """Keep the doors, the queue and the counters."""
        self._doors = doors
        self._dispatcher = dispatcher
        self._metrics = metrics

    def serve(self, connection: socket.socket) -> None:
        """Read one request and run it, here or later in the thread that makes room."""
        try:
            asked = wire.receive_request(connection, REQUEST_DEADLINE_S)
        except wire.VersionMismatch:
            _quietly(partial(wire.send_mismatch, connection))
            connection.close()
            return
        except (PolypodError, OSError) as error:
            log.warning("request.refused cause=%r", str(error))
            _quietly(partial(_refuse, connection, error))
            connection.close()
            return
        self._submit(connection, asked)

    def _submit(self, connection: socket.socket, asked: wire.WireRequest) -> None:
        command = asked.environment.get("CNI_COMMAND", "")
        by_name = asked.argv0 in single.TYPES
        job = Job(
            run=lambda: self._finish(connection, asked),
            key="" if by_name or command in {"STATUS", "GC"} else _queue_key(asked),
            slow=not by_name and command != "STATUS",
            is_add=not by_name and command == "ADD",
        )
        try:
            self._dispatcher.submit(job)
        except PolypodError as error:
            _quietly(partial(_refuse, connection, error))
            _close(connection, asked)

    def _finish(self, connection: socket.socket, asked: wire.WireRequest) -> None:
        started = time.monotonic()
        command = asked.environment.get("CNI_COMMAND", "")
        doors = replace(self._doors, foreign=ShimForeign(connection, self._doors.settings.path))
        try:
            if _is_gone(connection):
                log.info("request.abandoned command=%s", command)
                return
            code, stdout = self.answer(asked, doors)
            try:
                wire.send_result(connection, code, stdout)
            except (OSError, PolypodError):
                self._take_back(asked, code)
        finally:
            _close(connection, asked)
            kind = asked.argv0 if asked.argv0 in single.TYPES else "polypod"
            self._metrics.observe(command, kind, time.monotonic() - started)

    def answer(self, asked: wire.WireRequest, doors: Doors) -> tuple[int, bytes]:
        """Return exit code and stdout for a request; every error is an answer."""
        by_name = asked.argv0 in single.TYPES
        try:
            request = cni_request.parse(asked.environment, asked.stdin)
            caller = Caller(sandbox=asked.netns_fd, host=asked.host_fd)
            if by_name:
                return 0, single.call(asked.argv0, request, doors, caller)
            return 0, VERBS[request.command](request, caller, doors)
        except PolypodError as error:
            self._metrics.count_error(error.slug)
            log.warning("request.failed slug=%s cause=%r", error.slug, error.cause)
            return 1, failure.render(error, with_hint=not by_name)
        except Exception:  # the front answers whatever happens
            log.exception("request.broken")
            self._metrics.count_error(InternalError.slug)
            return 1, failure.render(
                InternalError("unexpected failure, see the daemon's log"), with_hint=True
            )

    def _take_back(self, asked: wire.WireRequest, code: int) -> None:
        """Undo an ADD whose answer nobody took."""
        if asked.environment.get("CNI_COMMAND") != "ADD" or code != 0:
            return
        log.warning("answer.undeliverable container=%s", asked.environment.get("CNI_CONTAINERID"))
        undone = replace(asked, environment={**asked.environment, "CNI_COMMAND": "DEL"})
        self.answer(undone, self._doors)


def _add(request: Request, caller: Caller, doors: Doors) -> bytes:
    return attach.attach(request, caller, doors)


def _silent(verb: Callable[[Request, Caller, Doors], None]) -> Callable[..., bytes]:
    def run(request: Request, caller: Caller, doors: Doors) -> bytes:
        verb(request, caller, doors)
        return b""

    return run


VERBS: dict[Command, Callable[[Request, Caller, Doors], bytes]] = {
    Command.ADD: _add,
    Command.DEL: _silent(detach.detach),
    Command.CHECK: _silent(check.check),
    Command.GC: _silent(collect.collect),
    Command.STATUS: _silent(status.status),
    Command.VERSION: lambda _request, _caller, _doors: failure.version_answer(),
}


def _queue_key(asked: wire.WireRequest) -> str:
    given = dict(arguments.pairs(asked.environment.get("CNI_ARGS", "")))
    namespace, name = given.get("K8S_POD_NAMESPACE", ""), given.get("K8S_POD_NAME", "")
    if namespace and name:
        return f"{namespace}/{name}"
    return asked.environment.get("CNI_CONTAINERID", "")


def _is_gone(connection: socket.socket) -> bool:
    try:
        return connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _refuse(connection: socket.socket, error: Exception) -> None:
    known = error if isinstance(error, PolypodError) else InternalError("request not readable")
    wire.send_result(connection, 1, failure.render(known, with_hint=True))


def _quietly(act: Callable[[], None]) -> None:
    try:
        act()
    except (OSError, PolypodError):
        log.debug("answer.undeliverable")


def _close(connection: socket.socket, asked: wire.WireRequest) -> None:
    connection.close()
    for fd in (asked.netns_fd, asked.host_fd):
        if fd is not None:
            os.close(fd)
