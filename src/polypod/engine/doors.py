"""The shapes of the doors, as the engine knows them; daemon/doors.py passes the real ones.

The type checker compares each real door, and each fake in polypod.testing, with these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from polypod.cni.lists import NetworkList
from polypod.engine.baton import Baton
from polypod.ipam._shape import Pools
from polypod.nad.definition import Definition
from polypod.plan.facts import Facts, Query
from polypod.plan.foreign import ForeignCall
from polypod.plan.ops import Configure, Identity, KernelOp, LinkMaker, StoreOp, WaitOperUp
from polypod.plan.outcome import Outcome
from polypod.plan.record import Record


class Namespaces(Protocol):
    """The host's and one sandbox's namespaces, open for the length of one request."""

    @property
    def cookie(self) -> int:
        """SO_NETNS_COOKIE of the sandbox, 0 when there is no sandbox."""
        ...

    @property
    def has_sandbox(self) -> bool:
        """Tell whether there is a sandbox: its path may be gone."""
        ...

    @property
    def is_same(self) -> bool:
        """Tell whether sandbox and host are one namespace."""
        ...

    def look(self, queries: Sequence[Query]) -> Facts:
        """Answer queries; a sandbox that is gone answers None and ()."""
        ...

    def apply(self, op: KernelOp) -> Identity | None:
        """Carry out one op; link makers return what they made."""
        ...

    def make_links(self, makers: Sequence[LinkMaker]) -> Outcome:
        """Make links whose parents are in the host, in one go."""
        ...

    def configure_links(self, configures: Sequence[Configure]) -> Outcome:
        """Give links of the sandbox their settings, in one go and in order."""
        ...

    def wait_all_up(self, waits: Sequence[WaitOperUp]) -> Outcome:
        """Wait for host links together."""
        ...

    def undo(self, op: KernelOp, identity: Identity | None) -> None:
        """Take one op back; what is gone, or not ours any more, is left alone."""
        ...

    def delete_links(self, made: Sequence[tuple[str, Identity | None]]) -> None:
        """Delete several links of the sandbox at once (as a group), each if it is still ours."""
        ...


class Kernel(Protocol):
    """Opens namespaces."""

    def enter(
        self, *, sandbox: int | str | None, host: int | None
    ) -> AbstractContextManager[Namespaces]:
        """Open both; sandbox is an fd, a path, or None (gone); host None is the own namespace.

        Raises:
            InvalidNetnsError: the path is not a namespace. A missing path opens without sandbox.
        """
        ...


class Journal(Protocol):
    """The write-ahead record of attachments. put is durable against a crash of the daemon."""

    def put(self, *records: Record) -> None:
        """Insert or replace records under their keys: all of them, or none."""
        ...

    def remove(self, *records: Record) -> None:
        """Forget records; absent is fine."""
        ...

    def of_container(self, container_id: str) -> tuple[Record, ...]:
        """Return a container's records in order of position."""
        ...

    def has_pod(self, namespace: str, name: str, *, besides: str) -> bool:
        """Tell whether a container of this pod has a record, other than the one `besides`."""
        ...

    def all(self) -> tuple[Record, ...]:
        """Return every record."""
        ...


class Backups(Protocol):
    """Carries out store ops, and reads the one other file that tuning is bound to."""

    def allowed_sysctls(self) -> tuple[str, ...] | None:
        """Return the lines of the node's allowlist of sysctls, None when it has none."""
        ...

    def apply(self, op: StoreOp) -> None:
        """Write, or (RestoreBackup) forget, a backup."""
        ...

    def read(self, directory: str, name: str) -> bytes | None:
        """Return a backup's content, None when there is none."""
        ...

    def undo(self, op: StoreOp) -> None:
        """Take a store op back."""
        ...


class Foreign(Protocol):
    """Runs other people's binaries; through the shim when the request came by one."""

    def has(self, type_: str, path: tuple[str, ...]) -> bool:
        """Tell whether the executable is found along path."""
        ...

    def run(self, call: ForeignCall) -> bytes:
        """Return stdout of a successful run.

        Raises:
            ForeignError: not found, failed (its own code, msg, details), timed out, too wordy.
        """
        ...


class Pod(Protocol):
    """What the engine wants to know of a pod."""

    @property
    def namespace(self) -> str:
        """Its namespace."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def uid(self) -> str:
        """Its UID, empty when the source does not know it."""
        ...

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        ...

    @property
    def static(self) -> bool:
        """Tell whether the kubelet made it from a file (its UID differs then)."""
        ...


class Source(Protocol):
    """Where pods and network definitions come from: manifests, or the API server."""

    @property
    def is_complete(self) -> bool:
        """Tell whether a pod that it does not know is gone: a folder need not describe all pods."""
        ...

    def pod(self, namespace: str, name: str, uid: str = "") -> Pod | None:
        """Return the pod, None when it is unknown; by its UID one that was made again is told."""
        ...

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return the network definition, None when it is unknown."""
        ...


class Networks(Protocol):
    """Networks that live in files on the node."""

    def primary(self) -> NetworkList | None:
        """Return the primary's configuration, None when this node runs without one."""
        ...

    def by_name(self, name: str) -> bytes | None:
        """Return the configuration whose name it is, for definitions without one."""
        ...

    def at(self, path: str) -> NetworkList:
        """Return the configuration at a path that the operator named.

        Raises:
            PolypodError: there is none, or it cannot be used.
        """
        ...

    def auxiliary(self, name: str, cni_version: str) -> NetworkList | None:
        """Return the chain of that name beside the primary's file, None when there is none."""
        ...


class Readiness(Protocol):
    """What tells whether the primary network can attach pods; as text, its place."""

    @property
    def is_there(self) -> bool:
        """Tell whether it says so now."""
        ...

    def wait(self, timeout_s: float) -> bool:
        """Wait until it says so, but not longer than given; tell whether it does."""
        ...


class SandboxCache(Protocol):
    """What Multus and libcni kept of pods that they attached before the node was switched to us."""

    def delegates(self, container_id: str) -> bytes | None:
        """Return Multus's list of delegates, None when it knows nothing of the container."""
        ...

    def result(self, network: str, container_id: str, ifname: str) -> bytes | None:
        """Return what libcni kept of one attachment, None when there is nothing."""
        ...

    def forget(self, container_id: str) -> None:
        """Remove the list."""
        ...

    def forget_result(self, network: str, container_id: str, ifname: str) -> None:
        """Remove what libcni kept."""
        ...

    def forget_ours(self, container_id: str) -> None:
        """Remove what the runtime's libcni kept of our own answers."""
        ...

    def of_runtime(self, container_id: str, ifname: str) -> bytes | None:
        """Return what the runtime's libcni kept of a network that is no meta-plugin's, or None."""
        ...

    def forget_of_runtime(self, container_id: str, ifname: str) -> None:
        """Remove it."""
        ...


class Devices(Protocol):
    """Who knows which devices a pod has."""

    def of_pod(self, namespace: str, name: str, uid: str) -> Mapping[str, tuple[str, ...]]:
        """Return device ids by resource, each list in the order in which networks get them.

        Raises:
            PolypodError: nobody can be asked.
        """
        ...


class DeviceFiles(Protocol):
    """Files that tell plugins and other programs of an attachment's device; they never fail."""

    def path(self, name: str) -> str:
        """Return the path of an attachment's file."""
        ...

    def copy(self, source: str, name: str) -> None:
        """Copy a device plugin's file, if there is one, for an attachment."""
        ...

    def read(self, name: str) -> bytes | None:
        """Return an attachment's file, None when there is none."""
        ...

    def remove(self, name: str) -> None:
        """Remove an attachment's file; absent is fine."""
        ...


class StatusSink(Protocol):
    """Where network-status goes; it never fails an ADD, unless the operator wants that."""

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Publish the text for this pod, and for no other of that name when its UID is known.

        Raises:
            PolypodError: in strict mode alone, when it could not be written.
        """
        ...

    def remove(self, namespace: str, pod: str) -> None:
        """Withdraw it."""
        ...


class Events(Protocol):
    """Where a pod's owner reads what happened; it never fails an ADD, or holds it up."""

    def tell_pod(
        self,
        namespace: str,
        pod: str,
        uid: str,
        *,
        reason: str,
        message: str,
        is_warning: bool = False,
    ) -> None:
        """Tell an event about a pod, soon."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the node's operator decided."""

    path: tuple[str, ...] = ("/opt/cni/bin",)
    """Where foreign plugins are looked for, before the caller's CNI_PATH."""
    namespace_isolation: bool = True
    global_namespaces: frozenset[str] = frozenset({"default"})
    multus_namespace: str = "kube-system"
    """Where the definitions lie that the operator, or the default-network annotation, names."""
    cluster_network: str = ""
    """The network of every pod's first interface, as the operator names it; empty: the primary."""
    default_networks: tuple[str, ...] = ()
    """Further networks of every pod."""
    system_namespaces: frozenset[str] = frozenset({"kube-system"})
    """Namespaces whose pods get no default networks."""
    auxiliary_chain: str = ""
    """The chain that follows all networks of every pod; empty for none."""
    boot_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """Everything the engine may reach."""

    kernel: Kernel
    journal: Journal
    pools: Pools
    backups: Backups
    foreign: Foreign
    source: Source
    networks: Networks
    status: StatusSink
    seed: Callable[[], str]
    """Eight random hex digits."""
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    settings: Settings = Settings()
    cache: SandboxCache | None = None
    """None where nobody looks for pods of another meta-plugin."""
    ready: Readiness | None = None
    """None where the primary is taken to be ready."""
    events: Events | None = None
    """None where nobody reads them: a node without API server has its log."""
    devices: Devices | None = None
    """None where no network gets a device."""
    device_files: DeviceFiles | None = None
    """None where devices are not told of in files."""
    baton: Baton = field(default_factory=Baton)
    """Doors that wait were given the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose namespaces a request speaks of: fds from the shim, or paths."""

    sandbox: int | str | None = None
    host: int | None = None
