"""Runs foreign plugins in the shim that made the request: the runtime's cgroup and mounts.

Used for the length of one request by daemon/serve.py; foreign/ looks up and reads outcomes. When
the shim goes away meanwhile, what is taken back is run by this daemon itself.
"""

from __future__ import annotations

import socket

from polypod.daemon import wire
from polypod.daemon.frames import CallerGoneError
from polypod.engine.doors import Foreign
from polypod.errors import PolypodError
from polypod.foreign import find, outcome
from polypod.foreign.outcome import Ended, Outcome
from polypod.foreign.run import environment
from polypod.plan.foreign import ForeignCall

_ENDED = {
    wire.How.EXITED: Ended.EXITED,
    wire.How.SIGNALLED: Ended.SIGNALLED,
    wire.How.EXEC_FAILED: Ended.NOT_STARTED,
    wire.How.TIMED_OUT: Ended.TIMED_OUT,
    wire.How.TOO_LARGE: Ended.TOO_MUCH_OUTPUT,
}
TIMEOUT_MS = 120_000
MAX_OUTPUT = 1 << 20


class ShimForeign:
    """The foreign door of one request."""

    def __init__(self, connection: socket.socket, own: Foreign) -> None:
        """Keep the connection to the shim that waits, and the door without a shim."""
        self._connection = connection
        self._own = own
        self._is_usable = True

    def has(self, type_: str, path: tuple[str, ...]) -> bool:
        """Tell whether the executable is found along path."""
        return find.is_found(type_, path)

    def run(self, call: ForeignCall) -> bytes:
        """Have the shim run the plugin; what undoes is run here when there is no shim any more.

        Raises:
            ForeignError: not found, or failed.
            CallerGoneError: the shim went away while the plugin was to do something new.
        """
        executable = find.find(call.type, call.path)
        if self._is_usable:
            try:
                ran = wire.run_in_shim(self._connection, _run(str(executable), call))
            except PolypodError:
                # What the shim says from now on belongs to a question that was given up.
                self._is_usable = False
                if call.command != "DEL":
                    raise
            else:
                return outcome.read(call.type, _outcome(ran))
        if call.command != "DEL":
            raise CallerGoneError("the caller went away")
        return self._own.run(call)


def _run(executable: str, call: ForeignCall) -> wire.Run:
    return wire.Run(
        path=executable,
        environment=environment(call),
        stdin=call.stdin,
        timeout_ms=TIMEOUT_MS,
        max_output=MAX_OUTPUT,
    )


def _outcome(ran: wire.Ran) -> Outcome:
    return Outcome(ended=_ENDED[ran.how], number=ran.value, stdout=ran.stdout, stderr=ran.stderr)
