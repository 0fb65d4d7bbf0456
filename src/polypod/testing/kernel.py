"""The kernel in memory: enters namespaces of the small world, looks, acts and takes back.

A test makes an op fail by putting its type into `refuse`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Generator, Sequence

import msgspec

from polypod.errors import PolypodError
from polypod.plan import ops
from polypod.plan.facts import (
    AddressesQuery,
    Fact,
    Facts,
    LinkQuery,
    MasterQuery,
    PortQuery,
    Query,
    RoutesQuery,
    SysctlQuery,
    Where,
)
from polypod.plan.ops import Configure, Identity, KernelOp, LinkMaker, WaitOperUp
from polypod.plan.outcome import Done, Effect, Failed, Outcome
from polypod.testing import acts
from polypod.testing.acts import DEFAULTS, Place
from polypod.testing.clock import Trace
from polypod.testing.world import Space, World


class FakeKernel:
    """Opens namespaces of a world."""

    def __init__(self, world: World, trace: Trace | None = None) -> None:
        """Keep the world; nothing is refused yet."""
        self.world = world
        self.refuse: dict[type[KernelOp], PolypodError] = {}
        """Ops that fail, with the error they fail with."""
        self.refuse_undo: dict[type[KernelOp], PolypodError] = {}
        self.lock = threading.RLock()
        """Held while the world is looked at or changed."""
        self._trace = trace or Trace()

    @contextlib.contextmanager
    def enter(self, *, sandbox: int | str | None, host: int | None) -> Generator[FakeNamespaces]:
        """Open both for the length of a block; a missing path opens without sandbox."""
        self._trace.stop("kernel.enter")
        host_space = self.world.host if host is None else self.world.descriptors[host]
        inner: Space | None = None
        if isinstance(sandbox, int):
            inner = self.world.descriptors[sandbox]
        elif sandbox:
            inner = self.world.sandboxes.get(sandbox)
        missing = sandbox if isinstance(sandbox, str) else ""
        place = Place(world=self.world, host=host_space, sandbox=inner, missing=missing)
        yield FakeNamespaces(place, self, self._trace)


class FakeNamespaces:
    """Both namespaces of one request."""

    def __init__(self, place: Place, kernel: FakeKernel, trace: Trace) -> None:
        """Keep where we are."""
        self._place = place
        self._kernel = kernel
        self._trace = trace

    @property
    def cookie(self) -> int:
        """Return the sandbox's number, 0 without a sandbox."""
        return 0 if self._place.sandbox is None else self._place.sandbox.cookie

    @property
    def has_sandbox(self) -> bool:
        """Tell whether there is a sandbox."""
        return self._place.sandbox is not None

    @property
    def is_same(self) -> bool:
        """Tell whether sandbox and host are one namespace."""
        return self._place.sandbox is self._place.host

    def look(self, queries: Sequence[Query]) -> Facts:
        """Answer queries; without a sandbox its facts are None and ()."""
        self._trace.stop("kernel.look")
        with self._kernel.lock:
            return Facts({query: _answer(query, self._place) for query in queries})

    def apply(self, op: KernelOp) -> Identity | None:
        """Carry out one op.

        Raises:
            PolypodError: what the world, or the test, refuses it with.
        """
        self._trace.stop("kernel.apply", type(op).__name__)
        if type(op) in self._kernel.refuse:
            raise self._kernel.refuse[type(op)]
        with self._kernel.lock:
            return acts.act(op, self._place)

    def make_links(self, makers: Sequence[LinkMaker]) -> Outcome:
        """Make links, each whatever becomes of the others."""
        self._trace.stop("kernel.make_links", str(len(makers)))
        return Outcome(tuple(self._effect(op) for op in makers))

    def configure_links(self, configures: Sequence[Configure]) -> Outcome:
        """Configure links, each whatever becomes of the others."""
        self._trace.stop("kernel.configure_links", str(len(configures)))
        return Outcome(tuple(self._effect(op) for op in configures))

    def wait_all_up(self, waits: Sequence[WaitOperUp]) -> Outcome:
        """Wait for host links, each whatever becomes of the others."""
        self._trace.stop("kernel.wait_all_up", str(len(waits)))
        return Outcome(tuple(self._effect(op) for op in waits))

    def _effect(self, op: KernelOp) -> Effect:
        try:
            return Done(self.apply(op))
        except PolypodError as error:
            return Failed(error)

    def undo(self, op: KernelOp, identity: Identity | None) -> None:
        """Take one op back; what is gone, or not ours any more, is left alone.

        Raises:
            PolypodError: what the test refuses it with.
        """
        self._trace.stop("kernel.undo", type(op).__name__)
        if type(op) in self._kernel.refuse_undo:
            raise self._kernel.refuse_undo[type(op)]
        with self._kernel.lock:
            _undo(op, identity, self._place)

    def delete_links(self, made: Sequence[tuple[str, Identity | None]]) -> None:
        """Delete links of the sandbox at once, each if it is still ours."""
        self._trace.stop("kernel.delete_links", ",".join(name for name, _ in made))
        with self._kernel.lock:
            for name, identity in made:
                _remove_ours(name, identity, self._place)


def _remove_ours(name: str, identity: Identity | None, place: Place) -> None:
    space = place.sandbox
    if space is None or name not in space.links or name not in space.ours:
        return
    if identity is None or identity.index == space.links[name].index:
        place.world.remove(space, name)


def _undo(op: KernelOp, identity: Identity | None, place: Place) -> None:
    match op:
        case ops.AddVeth() | ops.AddMacvlan() | ops.AddIpvlan():
            _remove_ours(op.ifname, identity, place)
        case ops.SetLink():
            there = place.host if op.where is Where.HOST else place.sandbox
            if op.previous is not None and there is not None and op.name in there.links:
                acts.act(msgspec.structs.replace(op.previous, previous=None), place)
        case ops.WriteSysctl():
            there = place.host if op.where is Where.HOST else place.sandbox
            if op.previous is not None and there is not None:
                there.sysctls[op.key] = op.previous
        case ops.AddMasquerade():
            acts.forget_rules("masquerade", op.container_id, op.ifname, place.world)
        case ops.AddSpoofCheck():
            acts.forget_rules("spoof", op.container_id, op.ifname, place.world)
        case _:
            return


def _answer(query: Query, place: Place) -> Fact:
    where = Where.HOST if isinstance(query, PortQuery) else query.where
    space = place.host if where is Where.HOST else place.sandbox
    if space is None:
        return () if isinstance(query, (AddressesQuery, RoutesQuery)) else None
    match query:
        case LinkQuery():
            return space.links.get(query.name)
        case MasterQuery():
            return space.links.get(query.name or _default_device(space))
        case AddressesQuery():
            return space.addresses.get(query.name, ())
        case RoutesQuery():
            return space.routes
        case SysctlQuery():
            return space.sysctls.get(query.key)
        case PortQuery():
            link = space.links.get(query.name)
            return space.ports.get(query.name) if link is not None and link.master else None


def _default_device(space: Space) -> str:
    return next((r.device for r in space.routes if r.dst in DEFAULTS and r.device), "")
