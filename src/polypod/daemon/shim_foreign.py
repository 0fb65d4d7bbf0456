"""Runs foreign plugins in the shim that made the request: the runtime's cgroup and mounts.

Used for the length of one request by daemon/serve.py; foreign/ looks up and reads outcomes.
"""

from __future__ import annotations

import socket

from polypod.daemon import wire
from polypod.foreign import find, outcome
from polypod.foreign.outcome import Ended, Outcome
from polypod.plan.foreign import ForeignCall

_ENDED = {
    wire.How.EXITED: Ended.EXITED,
    wire.How.SIGNALLED: Ended.SIGNALLED,
    wire.How.EXEC_FAILED: Ended.NOT_STARTED,
    wire.How.TIMED_OUT: Ended.TIMED_OUT,
    wire.How.TOO_LARGE: Ended.TOO_MUCH_OUTPUT,
}
TIMEOUT_MS = 120_000
MAX_OUTPUT = 4 << 20


class ShimForeign:
    """The foreign door of one request."""

    def __init__(self, connection: socket.socket, path: tuple[str, ...]) -> None:
        """Keep the connection to the shim that waits for an answer."""
        self._connection = connection
        self._path = path

    def has(self, type_: str, path: tuple[str, ...]) -> bool:
        """Tell whether the executable is found along path."""
        return find.is_found(type_, path)

    def run(self, call: ForeignCall) -> bytes:
        """Have the shim run the plugin.

        Raises:
            ForeignError: not found, or failed.
        """
        executable = find.find(call.type, call.path)
        ran = wire.run_in_shim(
            self._connection,
            wire.Run(
                path=str(executable),
                environment={
                    "CNI_COMMAND": call.command,
                    "CNI_CONTAINERID": call.container_id,
                    "CNI_NETNS": call.netns,
                    "CNI_IFNAME": call.ifname,
                    "CNI_ARGS": call.arguments,
                    "CNI_PATH": ":".join(call.path),
                },
                stdin=call.stdin,
                timeout_ms=TIMEOUT_MS,
                max_output=MAX_OUTPUT,
            ),
        )
        return outcome.read(
            call.type,
            Outcome(ended=_ENDED[ran.how], number=ran.value, stdout=ran.stdout, stderr=ran.stderr),
        )
