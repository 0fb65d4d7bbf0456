"""The host's and a sandbox's namespace, open for one request: sockets, threads inside, memory.

What the kernel told during the request is remembered, so that an op that follows a look need not
ask again. Nothing is remembered longer than the request.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from polypod.errors import InvalidNetnsError, KernelError
from polypod.kernel import links, netns
from polypod.kernel.home import Home
from polypod.kernel.netlink import Message, Rtnetlink
from polypod.kernel.turn import Turn
from polypod.plan.facts import HOST, SANDBOX, Link, Where

_AT_HOME: AbstractContextManager[None] = nullcontext()


class Spaces:
    """Sockets in both namespaces, opened when first needed and closed with the request."""

    def __init__(
        self,
        *,
        sandbox: int | None,
        host: int | None,
        turn: Turn,
        missing: str = "",
        kept: Home | None = None,
    ) -> None:
        """Keep the descriptors; `missing` is the sandbox path that was not there.

        `kept` is the threads' own namespace when it stays open.
        """
        self.turn = turn
        self._kept = kept
        self._home = netns.open_own() if kept is None else kept.fd
        if host is not None and netns.is_same(host, self._home):
            host = None
        self._sandbox, self._host = sandbox, host
        self._missing = missing
        self._sockets: dict[Where, Rtnetlink] = {}
        self._seen: dict[tuple[Where, str], Link] = {}
        self._indexes: dict[tuple[Where, str], int] = {}

    def close(self) -> None:
        """Close the sockets: an open one would keep a namespace alive."""
        for socket in self._sockets.values():
            socket.close()
        if self._kept is None:
            os.close(self._home)

    @property
    def has_sandbox(self) -> bool:
        """Tell whether there is a sandbox."""
        return self._sandbox is not None

    @property
    def sandbox_fd(self) -> int:
        """Return the sandbox's descriptor.

        Raises:
            InvalidNetnsError: there is none.
        """
        if self._sandbox is None:
            raise InvalidNetnsError(
                f'failed to open netns "{self._missing}": {self._not_there()}', code=999
            )
        return self._sandbox

    def check_sandbox(self) -> None:
        """Refuse when there is no sandbox, in the words of plugins that make no link.

        Raises:
            InvalidNetnsError: there is none.
        """
        if not self.has_sandbox:
            raise InvalidNetnsError(self._not_there(), code=999)

    def _not_there(self) -> str:
        return f'failed to Statfs "{self._missing}": no such file or directory'

    @property
    def cookie(self) -> int:
        """Return the sandbox's number, 0 without a sandbox."""
        return self.socket(SANDBOX).cookie() if self.has_sandbox else 0

    @property
    def is_same(self) -> bool:
        """Tell whether sandbox and host are one namespace."""
        if not self.has_sandbox:
            return False
        host = self._home if self._host is None else self._host
        return netns.is_same(self.sandbox_fd, host)

    def inside(self, where: Where) -> AbstractContextManager[None]:
        """Return a block inside a namespace (the host's may be the thread's own)."""
        fd = self.sandbox_fd if where is SANDBOX else self._host
        return _AT_HOME if fd is None else netns.inside(fd, self._home)

    def socket(self, where: Where) -> Rtnetlink:
        """Return the rtnetlink socket of a namespace."""
        if where is HOST and self._host is None and self._kept is not None:
            return self._kept.socket()
        found = self._sockets.get(where)
        if found is None:
            with self.inside(where):
                found = self._sockets[where] = Rtnetlink()
        return found

    def many(self, where: Where, wanted: Sequence[Message]) -> list[list[Message] | KernelError]:
        """Exchange messages that make things, one request after the other.

        The kernel has one lock for them all, and threads that wait there burn a processor.
        """
        return self.socket(where).many(wanted, self.turn)

    def link(self, where: Where, name: str) -> Link | None:
        """Ask for a link by name; None when it, or the sandbox, is not there."""
        body = self.link_body(where, name)
        if body is None:
            self.forget(where, name)
            return None
        link = self.heard(where, body)
        self._indexes[where, name] = link.index  # it may be an alternative name
        return link

    def link_body(self, where: Where, name: str) -> bytes | None:
        """Return the message about a link, None when it, or the sandbox, is not there."""
        if not self.can_have(where, name):
            return None
        try:
            answers = self.socket(where).one(links.RTM_GETLINK, 0, links.by_name(name))
        except KernelError:
            return None
        return answers[0].body if answers else None

    def can_have(self, where: Where, name: str) -> bool:
        """Tell whether a link of that name can be there at all."""
        return (where is HOST or self.has_sandbox) and 0 < len(name.encode()) < 16

    # What was heard already.

    def heard(self, where: Where, body: bytes) -> Link:
        """Remember a link that the kernel told of, and return it."""
        link = links.parse(body)
        self._seen[where, link.name] = link
        self._indexes[where, link.name] = link.index
        return link

    def keep_index(self, where: Where, name: str, index: int) -> None:
        """Remember the index of a link that was made."""
        self._seen.pop((where, name), None)
        self._indexes[where, name] = index

    def forget(self, where: Where, name: str) -> None:
        """Remember nothing of a link."""
        self._seen.pop((where, name), None)
        self._indexes.pop((where, name), None)

    def seen(self, where: Where, name: str) -> Link | None:
        """Return a link as it was last heard of; ask when it was not."""
        return self._seen.get((where, name)) or self.link(where, name)

    def index(self, where: Where, name: str) -> int:
        """Return a link's index as it was last heard of; ask when it was not; 0 for none."""
        if (where, name) not in self._indexes:
            self.link(where, name)
        return self._indexes.get((where, name), 0)
