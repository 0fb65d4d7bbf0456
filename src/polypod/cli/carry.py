"""Carries a call out: here, when nobody owns the state folder, else through the daemon that does.

One owner of journal and leases at a time: the lock of the state folder decides, and it is held as
long as a call runs. With a daemon there, the call goes as a runtime's would: by the shim.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from polypod.cli import offline
from polypod.cli.options import Place
from polypod.cni import request as cni_request
from polypod.cni.request import Command, Request
from polypod.daemon.owner import OwnerLock
from polypod.engine import attach, check, detach, status
from polypod.engine.doors import Caller, Doors
from polypod.errors import ConflictError, ForeignError, StorageError
from polypod.foreign.run import ForeignDoor
from polypod.install import place as installed
from polypod.plan.foreign import ForeignCall

ASK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HandCall:
    """One call, as the environment and stdin of a plugin would hold it."""

    command: Command
    stdin: bytes
    container_id: str = ""
    netns: str = ""
    ifname: str = "eth0"
    arguments: str = "IgnoreUnknown=1"


@contextlib.contextmanager
def owned(place: Place) -> Generator[bool]:
    """Own the state folder for the length of a block; False when a daemon owns it.

    Raises:
        StorageError: the folder cannot be used.
    """
    try:
        lock = OwnerLock(place.state / "lock")
    except StorageError as error:
        error.hint = "become root, or give --state a folder of yours"
        raise
    try:
        yield lock.take()
    finally:
        lock.close()


def carry(call: HandCall, place: Place) -> bytes:
    """Carry one call out and return its answer.

    Raises:
        PolypodError: it was refused; nothing is left behind.
    """
    with owned(place) as is_ours:
        if not is_ours:
            return by_daemon(call, place)
        with offline.doors(place) as doors:
            return _VERBS[call.command](_request(call, place), doors)


def by_daemon(call: HandCall, place: Place) -> bytes:
    """Have the daemon carry the call out: the shim takes it there.

    Raises:
        ConflictError: nobody answers at the socket.
        ForeignError: the daemon refused, in its own words.
    """
    if not answers(place):
        raise ConflictError(
            f"a daemon owns {place.state}, but nobody answers at {place.socket}",
            hint="--socket or POLYPOD_SOCKET says where it listens; else give another --state",
        )
    shim = installed.shim_binary()
    own = {"POLYPOD_SOCKET": str(place.socket), "POLYPOD_SPOOL": str(place.state / "spool")}
    door = ForeignDoor(inherited={**os.environ, **own})
    try:
        return door.run(
            ForeignCall(
                type=shim.name,
                command=call.command.value,
                container_id=call.container_id,
                netns=call.netns,
                ifname=call.ifname,
                arguments=call.arguments,
                path=(str(shim.parent), *place.path),
                stdin=call.stdin,
            )
        )
    except ForeignError as error:
        details = error.details.partition("hint: ")[2] or error.details
        error.hint, error.slug = details or "see the daemon's log", ""
        raise


def answers(place: Place) -> bool:
    """Tell whether somebody listens at the daemon's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as connection:
        connection.settimeout(ASK_S)
        try:
            connection.connect(str(place.socket))
        except OSError:
            return False
    return True


def _request(call: HandCall, place: Place) -> Request:
    environment = {
        "CNI_COMMAND": call.command.value,
        "CNI_CONTAINERID": call.container_id,
        "CNI_NETNS": call.netns,
        "CNI_IFNAME": call.ifname,
        "CNI_ARGS": call.arguments,
        "CNI_PATH": ":".join(place.path) or "/",
    }
    return cni_request.parse(environment, call.stdin)


def _add(request: Request, doors: Doors) -> bytes:
    return attach.attach(request, Caller(), doors)


def _del(request: Request, doors: Doors) -> bytes:
    """Enter by the path that was given; a namespace that is gone took its interfaces along."""
    sandbox = request.netns if Path(request.netns).exists() else None
    detach.detach(request, Caller(sandbox=sandbox), doors)
    return b""


def _check(request: Request, doors: Doors) -> bytes:
    check.check(request, Caller(), doors)
    return b""


def _status(request: Request, doors: Doors) -> bytes:
    status.status(request, Caller(), doors)
    return b""


_VERBS: dict[Command, Callable[[Request, Doors], bytes]] = {
    Command.ADD: _add,
    Command.DEL: _del,
    Command.CHECK: _check,
    Command.STATUS: _status,
}
