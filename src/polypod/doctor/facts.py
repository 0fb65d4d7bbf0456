"""What rules are given: a cluster, or a folder of manifests, and one node's files, as values.

Who reads them is gather.py and node.py; nothing here knows where they come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from polypod.nad.definition import Definition


@dataclass(frozen=True, slots=True, kw_only=True)
class AskingPod:
    """A pod as far as its networks go."""

    namespace: str
    name: str
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])
    host_network: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A DaemonSet or Deployment that has to do with networks."""

    kind: str
    namespace: str
    name: str
    images: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    """Commands and arguments of its containers, one after the other."""
    config_maps: tuple[str, ...] = ()
    """Names of those it mounts."""
    host_paths: Mapping[str, str] = field(default_factory=dict[str, str])
    """Folders of the node by where its containers see them."""
    document: Mapping[str, object] = field(default_factory=dict[str, object])
    """The whole object, as it can be applied again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsText:
    """One text that says what Multus does."""

    where: str
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A running pod that Multus attached, as its cache has it."""

    container_id: str
    types: frozenset[str] = frozenset()
    """Every plugin that its DEL needs, IPAM plugins included."""
    fault: str = ""
    """Why its file cannot be used, empty when it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFiles:
    """What one node has in its folders."""

    configurations: Mapping[str, bytes] = field(default_factory=dict[str, bytes])
    """/etc/cni/net.d."""
    plugins: frozenset[str] | None = None
    """Names of executables; None when the folder was not seen."""
    sandboxes: tuple[Sandbox, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that was gathered."""

    definitions: tuple[Definition, ...] = ()
    pods: tuple[AskingPod, ...] = ()
    workloads: tuple[Workload, ...] = ()
    settings: tuple[SettingsText, ...] = ()
    node: NodeFiles | None = None
    problems: tuple[str, ...] = ()
    """What could not be read, in words."""
