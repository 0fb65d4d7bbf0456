"""Runs foreign plugins as children of this process, when no shim is there to do it.

They count against this process's memory, so few run at once; process.py bounds each of them.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from polypod.errors import TryAgainError
from polypod.foreign import find, outcome, process
from polypod.foreign.mounts import OwnMounts, RuntimeMounts
from polypod.foreign.process import Limits
from polypod.plan.foreign import ForeignCall

WAIT_S = 300.0
CLEAN: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
}
"""What a plugin that the daemon starts finds around it: the daemon's settings are not its own."""


class ForeignDoor:
    """Runs plugins, at most `limit` at a time."""

    def __init__(
        self,
        limit: int = 1,
        *,
        inherited: Mapping[str, str] = CLEAN,
        limits: Limits | None = None,
        mounts: OwnMounts | RuntimeMounts | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        """Set how many may run at once, what surrounds one, and what it may take."""
        self._places = threading.BoundedSemaphore(limit)
        self._inherited = inherited
        self._limits = limits or Limits()
        self._mounts = mounts or OwnMounts()
        self._wait_s = wait_s

    def has(self, type_: str, path: tuple[str, ...]) -> bool:
        """Tell whether the executable is found along path."""
        return find.is_found(type_, path)

    def run(self, call: ForeignCall) -> bytes:
        """Run a plugin and return its stdout.

        Raises:
            NotStartedError: not found, or it cannot be executed.
            ForeignError: failed, timed out, or too much output.
            TryAgainError: others kept the place for too long.
        """
        executable = find.find(call.type, call.path)
        if not self._places.acquire(timeout=self._wait_s):
            raise TryAgainError(f'plugin "{call.type}" waited too long for others to end')
        try:
            with self._mounts.entered() as entry:
                ran = process.run(
                    [*entry.words, str(executable)],
                    {**without_cni(self._inherited), **environment(call)},
                    call.stdin,
                    self._limits,
                    pass_fds=entry.fds,
                )
        finally:
            self._places.release()
        return outcome.read(call.type, ran)


def without_cni(variables: Mapping[str, str]) -> dict[str, str]:
    """Return what is no CNI variable: a plugin sees its own call's, never another's."""
    return {key: value for key, value in variables.items() if not key.startswith("CNI_")}


def environment(call: ForeignCall) -> dict[str, str]:
    """Return the CNI variables of a call."""
    return {
        "CNI_COMMAND": call.command,
        "CNI_CONTAINERID": call.container_id,
        "CNI_NETNS": call.netns,
        "CNI_IFNAME": call.ifname,
        "CNI_ARGS": call.arguments,
        "CNI_PATH": ":".join(call.path),
    }
