"""The host's and a sandbox's namespace, open for one request: sockets, and threads inside."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Generator

from polypod.errors import InvalidNetnsError, KernelError
from polypod.kernel import links, netns
from polypod.kernel.netlink import Rtnetlink
from polypod.plan.facts import Link, Where


class Spaces:
    """Sockets in both namespaces, opened when first needed and closed with the request."""

    def __init__(self, *, sandbox: int | None, host: int | None, missing: str = "") -> None:
        """Keep the descriptors; `missing` is the sandbox path that was not there."""
        self._fds = {Where.SANDBOX: sandbox, Where.HOST: host}
        self._missing = missing
        self._sockets: dict[Where, Rtnetlink] = {}
        self._cookie: int | None = None

    def close(self) -> None:
        """Close the sockets: an open one would keep a namespace alive."""
        for socket in self._sockets.values():
            socket.close()

    @property
    def has_sandbox(self) -> bool:
        """Tell whether there is a sandbox."""
        return self._fds[Where.SANDBOX] is not None

    @property
    def sandbox_fd(self) -> int:
        """Return the sandbox's descriptor.

        Raises:
            InvalidNetnsError: there is none.
        """
        fd = self._fds[Where.SANDBOX]
        if fd is None:
            raise InvalidNetnsError(
                f'failed to open netns "{self._missing}": {self._not_there()}', code=999
            )
        return fd

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
        if self._cookie is None:
            self._cookie = 0
            if self.has_sandbox:
                with netns.inside(self.sandbox_fd):
                    self._cookie = netns.cookie()
        return self._cookie

    @property
    def is_same(self) -> bool:
        """Tell whether sandbox and host are one namespace."""
        if not self.has_sandbox:
            return False
        host = self._fds[Where.HOST]
        if host is not None:
            return netns.is_same(self.sandbox_fd, host)
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return netns.is_same(self.sandbox_fd, own)
        finally:
            os.close(own)

    @contextlib.contextmanager
    def inside(self, where: Where) -> Generator[None]:
        """Run a block inside a namespace (the host's may be the thread's own)."""
        fd = self.sandbox_fd if where is Where.SANDBOX else self._fds[Where.HOST]
        if fd is None:
            yield
            return
        with netns.inside(fd):
            yield

    def socket(self, where: Where) -> Rtnetlink:
        """Return the rtnetlink socket of a namespace."""
        if where not in self._sockets:
            with self.inside(where):
                self._sockets[where] = Rtnetlink()
        return self._sockets[where]

    def link(self, where: Where, name: str) -> Link | None:
        """Return a link by name, None when it, or the sandbox, is not there."""
        body = self.link_body(where, name)
        return None if body is None else links.parse(body)

    def link_body(self, where: Where, name: str) -> bytes | None:
        """Return the message about a link, None when it, or the sandbox, is not there."""
        if (where is Where.SANDBOX and not self.has_sandbox) or not 0 < len(name.encode()) < 16:
            return None
        try:
            answers = self.socket(where).one(links.RTM_GETLINK, 0, links.by_name(name))
        except KernelError:
            return None
        return answers[0].body if answers else None
