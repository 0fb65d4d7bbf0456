"""The kernel as the engine sees it: enter two namespaces, look, apply, undo."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager

from polypod.kernel import apply, configure, make, netns, read, undo
from polypod.kernel.home import Home
from polypod.kernel.spaces import Spaces
from polypod.kernel.turn import NOBODY_WAITS, Turn
from polypod.plan.facts import Facts, Query
from polypod.plan.ops import Configure, Identity, KernelOp, LinkMaker, WaitOperUp
from polypod.plan.outcome import Outcome


class OpenNamespaces(AbstractContextManager["OpenNamespaces"]):
    """Both namespaces of one request, for the length of a block."""

    def __init__(self, spaces: Spaces, opened: int | None) -> None:
        """Keep the open spaces; `opened` is a descriptor to close with them."""
        self._spaces = spaces
        self._opened = opened

    def __exit__(self, *raised: object) -> None:
        """Close them."""
        self._spaces.close()
        if self._opened is not None:
            os.close(self._opened)

    @property
    def cookie(self) -> int:
        """Return the sandbox's number, unique within a boot; 0 without a sandbox."""
        return self._spaces.cookie

    @property
    def has_sandbox(self) -> bool:
        """Tell whether there is a sandbox."""
        return self._spaces.has_sandbox

    @property
    def is_same(self) -> bool:
        """Tell whether sandbox and host are one namespace."""
        return self._spaces.is_same

    def look(self, queries: Sequence[Query]) -> Facts:
        """Answer queries."""
        return read.look(queries, self._spaces)

    def apply(self, op: KernelOp) -> Identity | None:
        """Carry out one op."""
        return apply.apply(op, self._spaces)

    def make_links(self, makers: Sequence[LinkMaker]) -> Outcome:
        """Make links whose parents are in the host, in one send."""
        return make.make(makers, self._spaces)

    def configure_links(self, configures: Sequence[Configure]) -> Outcome:
        """Give links of the sandbox their settings, in one send and in order."""
        return configure.together(configures, self._spaces)

    def wait_all_up(self, waits: Sequence[WaitOperUp]) -> Outcome:
        """Wait for host links together."""
        return configure.wait_all_up(waits, self._spaces)

    def undo(self, op: KernelOp, identity: Identity | None) -> None:
        """Take one op back."""
        undo.undo(op, identity, self._spaces)

    def delete_links(self, made: Sequence[tuple[str, Identity | None]]) -> None:
        """Delete links of the sandbox at once, each if it is still ours."""
        undo.delete_links(made, self._spaces)


class KernelDoor:
    """Opens namespaces."""

    def __init__(
        self, home: Home | None = None, aside: AbstractContextManager[None] = NOBODY_WAITS
    ) -> None:
        """Begin with nobody in the way; `home` when the threads that come never leave it.

        `aside` is around whatever takes the kernel long, so that others may compute.
        """
        self._turn = Turn(aside)
        self._home = home

    def enter(self, *, sandbox: int | str | None, host: int | None) -> OpenNamespaces:
        """Open both for the length of a block; a missing path opens without sandbox.

        Raises:
            InvalidNetnsError: the path is not a namespace.
        """
        opened, missing = None, ""
        if isinstance(sandbox, str):
            missing = sandbox
            sandbox = opened = netns.open_path(sandbox) if sandbox else None
        spaces = Spaces(
            sandbox=sandbox, host=host, missing=missing, turn=self._turn, kept=self._home
        )
        return OpenNamespaces(spaces, opened)
