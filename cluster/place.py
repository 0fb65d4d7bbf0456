"""Where one running cluster keeps its files, and the addresses inside its namespace."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cluster import versions

NODE = "node1"
NODE_ADDRESS = "10.231.0.1"
SERVICES = "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"
PODS = "10.232.0.0/24"
API_PORT = 36443
ETCD_PORT = 33790
RUNTIME_METRICS = "127.0.0.1:36438"
"""Where containerd counts what it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One cluster's folders."""

    root: Path
    namespace: str

    @property
    def pki(self) -> Path:
        """Certificates and kubeconfigs."""
        return self.root / "pki"

    @property
    def logs(self) -> Path:
        """One log a program."""
        return self.root / "log"

    @property
    def pids(self) -> Path:
        """One file a program."""
        return self.root / "pid"

    @property
    def cni_bin(self) -> Path:
        """Where the runtime looks for plugins."""
        return self.root / "cni" / "bin"

    @property
    def cni_conf(self) -> Path:
        """Where the runtime looks for its network's configuration."""
        return self.root / "cni" / "net.d"

    @property
    def cni_primary(self) -> Path:
        """Where the runtime looks for the network of pods that are to have their primary only."""
        return self.root / "cni" / "primary.d"

    @property
    def audit(self) -> Path:
        """What the API server writes of the agents' requests, one JSON object a line."""
        return self.root / "audit.log"

    @property
    def containerd(self) -> Path:
        """The runtime's socket."""
        return self.root / "containerd.sock"

    @property
    def static_pods(self) -> Path:
        """Where the kubelet looks for static pods."""
        return self.root / "manifests"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root."""
        return self.root / "kubelet"

    @property
    def server(self) -> str:
        """The API server's address, inside the namespace."""
        return f"https://127.0.0.1:{API_PORT}"

    @property
    def netns(self) -> Path:
        """The network namespace that everything runs in."""
        return Path("/run/netns") / self.namespace

    def program(self, name: str) -> str:
        """Return a built program, or the distribution's of that name."""
        for folder in (versions.kubernetes(), versions.tools()):
            if (folder / name).exists():
                return str(folder / name)
        return name


def alone() -> Place:
    """Return the place of a control plane without a node, which may run beside the cluster."""
    return Place(root=Path("/run/polypod-control-plane"), namespace="polypod-control-plane")


def first() -> Place:
    """Return the place of a machine's only cluster."""
    return _named("polypod-cluster")


def here() -> Place:
    """Return the cluster that POLYPOD_CLUSTER names, else a machine's only one."""
    name = os.environ.get("POLYPOD_CLUSTER", "")
    return _named(name) if name else first()


def _named(name: str) -> Place:
    return Place(root=Path("/run") / name, namespace=name)
