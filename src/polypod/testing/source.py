"""Pods and definitions from dictionaries, networks of files from values, status into a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from polypod.cni import encode, lists
from polypod.cni.lists import NetworkList
from polypod.errors import PolypodError, StorageError
from polypod.nad.definition import Definition
from polypod.nad.devices import RESOURCE_NAME
from polypod.testing.clock import Trace

CONFIG_SOURCE = "kubernetes.io/config.source"


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePod:
    """A pod as far as its networks go."""

    namespace: str
    name: str
    uid: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def static(self) -> bool:
        """Tell whether the kubelet made it from a file."""
        return self.annotations.get(CONFIG_SOURCE, "api") != "api"


class FakeSource:
    """Pods and definitions that a test has put there."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin empty."""
        self.pods: dict[tuple[str, str], FakePod] = {}
        self.definitions: dict[tuple[str, str], Definition] = {}
        self.is_complete = False
        """Whether a pod that is not there is gone."""
        self._trace = trace or Trace()

    def add_pod(
        self,
        namespace: str,
        name: str,
        *,
        uid: str = "",
        annotations: Mapping[str, str] | None = None,
    ) -> FakePod:
        """Put a pod there, in place of an older one of its name."""
        pod = FakePod(namespace=namespace, name=name, uid=uid, annotations=annotations or {})
        self.pods[namespace, name] = pod
        return pod

    def add_definition(
        self, namespace: str, name: str, config: str | None, *, resource: str = ""
    ) -> None:
        """Put a network definition there; resource is what its devices are called."""
        annotations = {RESOURCE_NAME: resource} if resource else {}
        self.definitions[namespace, name] = Definition(
            namespace=namespace, name=name, config=config, annotations=annotations
        )

    def pod(self, namespace: str, name: str, uid: str = "") -> FakePod | None:
        """Return a pod, None when it is unknown."""
        del uid
        self._trace.stop("source.pod", f"{namespace}/{name}")
        return self.pods.get((namespace, name))

    def definition(self, namespace: str, name: str) -> Definition | None:
        """Return a definition, None when it is unknown."""
        self._trace.stop("source.definition", f"{namespace}/{name}")
        return self.definitions.get((namespace, name))


class FakeNetworks:
    """The primary's configuration, and configurations that definitions only name."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin without a primary."""
        self.raw: bytes | None = None
        self.named: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        """Configurations by path."""
        self.chains: dict[str, tuple[Mapping[str, object], ...]] = {}
        """Plugins of auxiliary chains by name."""
        self.broken: PolypodError | None = None
        self._trace = trace or Trace()

    def primary(self) -> NetworkList | None:
        """Return the primary's configuration.

        Raises:
            PolypodError: what a test wants it to raise.
        """
        self._trace.stop("networks.primary")
        if self.broken is not None:
            raise self.broken
        return None if self.raw is None else lists.parse_list(self.raw)

    def by_name(self, name: str) -> bytes | None:
        """Return the configuration of that name."""
        self._trace.stop("networks.by_name", name)
        return self.named.get(name)

    def at(self, path: str) -> NetworkList:
        """Return the configuration at a path.

        Raises:
            StorageError: there is none.
        """
        self._trace.stop("networks.at", path)
        found = self.files.get(path)
        if found is None:
            raise StorageError(f"primary network: cannot find network: {path}")
        return lists.parse_list(found)

    def auxiliary(self, name: str, cni_version: str) -> NetworkList | None:
        """Return the chain of that name: what a test has put there, after a plugin of no effect."""
        self._trace.stop("networks.auxiliary", name)
        chain = self.chains.get(name)
        if chain is None:
            return None
        plugins: list[Mapping[str, object]] = [{"type": "passthru"}, *chain]
        listed = {
            "cniVersion": cni_version,
            "name": name,
            "disableCheck": True,
            "plugins": plugins,
        }
        return lists.parse_list(encode.compact(listed))


class FakeStatus:
    """network-status by (namespace, pod)."""

    def __init__(self, trace: Trace | None = None) -> None:
        """Begin empty."""
        self.texts: dict[tuple[str, str], str] = {}
        self.broken: PolypodError | None = None
        self._trace = trace or Trace()

    def write(self, namespace: str, pod: str, text: str, uid: str = "") -> None:
        """Keep a pod's status.

        Raises:
            PolypodError: what a test wants it to raise, as strict mode may.
        """
        del uid
        self._trace.stop("status.write", f"{namespace}/{pod}")
        if self.broken is not None:
            raise self.broken
        self.texts[namespace, pod] = text

    def remove(self, namespace: str, pod: str) -> None:
        """Forget a pod's status; absent is fine."""
        self._trace.stop("status.remove", f"{namespace}/{pod}")
        self.texts.pop((namespace, pod), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event about a pod."""

    pod: str
    """Namespace and name."""
    uid: str
    reason: str
    message: str
    is_warning: bool = False


class FakeEvents:
    """Events in the order they were told."""

    def __init__(self) -> None:
        """Begin empty."""
        self.told: list[Told] = []

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
        """Keep an event."""
        self.told.append(
            Told(
                pod=f"{namespace}/{pod}",
                uid=uid,
                reason=reason,
                message=message,
                is_warning=is_warning,
            )
        )
