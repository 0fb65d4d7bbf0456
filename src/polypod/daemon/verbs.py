"""What each CNI verb runs, and how whatever it came to is said to the caller.

Called by serve.py for a connection and by replay.py for a kept DEL. Bad input of any kind becomes
a CNI error object; nothing else leaves here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import msgspec

from polypod.cni import failure
from polypod.cni import request as cni_request
from polypod.cni.request import Command, Request
from polypod.daemon.wire import WireRequest
from polypod.engine import attach, check, collect, detach, single, status
from polypod.engine.doors import Caller, Doors
from polypod.errors import InternalError, PolypodError

log = logging.getLogger("polypod.verbs")


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the shim prints, and what the log and the counters want to know of it."""

    code: int
    stdout: bytes
    network: str = ""
    """The name in the configuration that was called with."""
    slug: str = ""
    """Of the error; empty when there was none."""


def is_by_name(asked: WireRequest) -> bool:
    """Tell whether one plugin was called by its own name, not the pod's networks."""
    return asked.argv0 in single.TYPES


def answer(asked: WireRequest, doors: Doors) -> Answer:
    """Carry a request out; every error is an answer."""
    network = ""
    try:
        request = cni_request.parse(asked.environment, asked.stdin)
        network = request.config.name
        stdout = _run(asked, request, doors)
    except PolypodError as error:
        log.warning("request.failed slug=%s cause=%r", error.slug, error.cause)
        return _failed(error, asked, network)
    except Exception:  # the front answers whatever happens
        log.exception("request.broken")
        broken = InternalError("unexpected failure, see the daemon's log")
        return _failed(broken, asked, network)
    return Answer(code=0, stdout=stdout, network=network)


def refusal(error: PolypodError) -> bytes:
    """Return what the shim prints for a request that was not carried out."""
    return failure.render(error, with_hint=True)


def _run(asked: WireRequest, request: Request, doors: Doors) -> bytes:
    caller = Caller(sandbox=asked.netns_fd, host=asked.host_fd)
    if is_by_name(asked):
        return single.call(asked.argv0, request, doors, caller)
    return _VERBS[request.command](request, caller, doors)


def _failed(error: PolypodError, asked: WireRequest, network: str) -> Answer:
    stdout = failure.render(error, with_hint=not is_by_name(asked))
    return Answer(code=1, stdout=stdout, network=network, slug=error.slug)


def _silent(verb: Callable[[Request, Caller, Doors], None]) -> Callable[..., bytes]:
    def run(request: Request, caller: Caller, doors: Doors) -> bytes:
        verb(request, caller, doors)
        return b""

    return run


_VERBS: dict[Command, Callable[[Request, Caller, Doors], bytes]] = {
    Command.ADD: attach.attach,
    Command.DEL: _silent(detach.detach),
    Command.CHECK: _silent(check.check),
    Command.GC: _silent(collect.collect),
    Command.STATUS: _silent(status.status),
    Command.VERSION: lambda _request, _caller, _doors: failure.version_answer(),
}
