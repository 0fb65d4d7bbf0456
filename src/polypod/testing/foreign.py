"""Other people's plugins as Python functions, with every call kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from polypod.cni import fields
from polypod.errors import NotStartedError
from polypod.plan.foreign import ForeignCall
from polypod.testing.clock import Trace

Script: TypeAlias = Callable[[ForeignCall], bytes]


class FakeForeign:
    """Plugins by type; one that is not there cannot be found."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin without plugins."""
        self.scripts: dict[str, Script] = {}
        self.calls: list[ForeignCall] = []
        self._trace = trace or Trace()

    def add(self, type_: str, answer: bytes | Script = b"{}") -> None:
        """Put a plugin there: its answer to ADD (nothing to the others), or a function."""
        if isinstance(answer, bytes):
            self.scripts[type_] = lambda call: answer if call.command == "ADD" else b""
        else:
            self.scripts[type_] = answer

    def has(self, type_: str, path: tuple[str, ...]) -> bool:
        """Tell whether there is a plugin of that type."""
        del path
        return type_ in self.scripts

    def run(self, call: ForeignCall) -> bytes:
        """Run a plugin.

        Raises:
            NotStartedError: there is none of that type.
            ForeignError: it says so.
        """
        self._trace.stop("foreign.run", f"{call.command} {call.type}")
        if call.type not in self.scripts:
            raise NotStartedError(
                f'failed to find plugin "{call.type}" in path [{" ".join(call.path)}]'
            )
        self.calls.append(call)
        return self.scripts[call.type](call)

    def told(self, command: str) -> list[str]:
        """Return the types that were asked for a command, in order."""
        return [call.type for call in self.calls if call.command == command]

    def stdin(self, place: int) -> dict[str, object]:
        """Return what the call at a place read."""
        return fields.decode_object(self.calls[place].stdin, "stdin")
