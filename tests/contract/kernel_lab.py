"""Where the kernel's contract is tried: two namespaces, and a door to them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Protocol

import pytest

from polypod.engine.doors import Kernel, Namespaces
from polypod.plan import ops
from polypod.plan.facts import (
    Link,
    LinkQuery,
    Where,
)

MAC = "02:11:22:33:44:55"


class Lab(Protocol):
    """Two namespaces, `host` and one sandbox, and a door to them."""

    @property
    def kernel(self) -> Kernel: ...

    @property
    def host(self) -> int | None:
        """What `enter` takes as host."""
        ...

    @property
    def sandbox(self) -> str:
        """The sandbox's path."""
        ...

    def parent(self, name: str) -> None:
        """Make a device in the host that a macvlan can have as its parent."""
        ...

    def destroy(self) -> None:
        """Delete the sandbox."""
        ...


@contextmanager
def entered(lab: Lab, sandbox: str | None = None) -> Generator[Namespaces]:
    path = lab.sandbox if sandbox is None else sandbox
    with lab.kernel.enter(sandbox=path, host=lab.host) as spaces:
        yield spaces


def link_of(spaces: Namespaces, where: Where, name: str) -> Link | None:
    return spaces.look([LinkQuery(where, name)]).link(where, name)


def inside(spaces: Namespaces, name: str) -> Link:
    found = link_of(spaces, Where.SANDBOX, name)
    assert found is not None
    return found


def macvlan(name: str = "net1", **given: object) -> ops.AddMacvlan:
    return ops.AddMacvlan(ifname=name, parent="up0", **given)  # type: ignore[arg-type]


class LabSuite:
    @pytest.fixture
    def lab(self) -> Lab:
        raise NotImplementedError
