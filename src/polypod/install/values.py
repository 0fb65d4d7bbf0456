"""What an installation may choose: names, folders, limits. One value feeds every manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

IMAGE: Final = "polypod"
VERSION: Final = "0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Where one distribution of Kubernetes keeps what a node agent touches."""

    name: str
    cni_bin: str = "/opt/cni/bin"
    cni_conf: str = "/etc/cni/net.d"
    runtime_socket: str = "/run/containerd/containerd.sock"
    kubelet: str = "/var/lib/kubelet"
    api_host: str = ""
    """An API server address that works before any service network does; empty for the usual one."""
    api_port: str = ""
    note: str = ""


PLATFORMS: Final[Mapping[str, Platform]] = {
    platform.name: platform
    for platform in (
        Platform(name="kubeadm"),
        Platform(name="kind"),
        Platform(
            name="talos",
            # KubePrism answers on every node, also before a primary network is up.
            api_host="localhost",
            api_port="7445",
            note="no machine configuration patch is needed for Polypod itself",
        ),
        Platform(
            name="k3s",
            cni_bin="/var/lib/rancher/k3s/data/cni",
            cni_conf="/var/lib/rancher/k3s/agent/etc/cni/net.d",
            runtime_socket="/run/k3s/containerd/containerd.sock",
            note="k3s before 1.28.15, 1.29.10, 1.30.6 and 1.31.2 keeps its plugins elsewhere:"
            " set --cni-bin /var/lib/rancher/k3s/data/current/bin there",
        ),
        Platform(name="rke2", runtime_socket="/run/k3s/containerd/containerd.sock"),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Primary:
    """A primary network that Polypod stands beside."""

    name: str
    note: str = ""
    helm_values: Mapping[str, object] = field(default_factory=dict[str, object])
    """What must change in its own Helm release."""


PRIMARIES: Final[Mapping[str, Primary]] = {
    primary.name: primary
    for primary in (
        Primary(name="flannel", note="nothing to change"),
        Primary(name="calico", note="nothing to change"),
        Primary(
            name="cilium",
            note="by default Cilium renames the CNI configuration of everybody else at each start"
            " of its agent (cni.exclusive); the values file switches that off",
            helm_values={"cni": {"exclusive": False}},
        ),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """One installation. Text fields may hold a template's expressions."""

    platform: Platform = PLATFORMS["kubeadm"]
    name: str = "polypod"
    namespace: str = "polypod-system"
    image: str = f"{IMAGE}:{VERSION}"
    pull_policy: str = "IfNotPresent"
    log_level: str = "info"
    namespace_isolation: bool = True
    global_namespaces: str = "default"
    metrics_port: int = 9473
    requests: Mapping[str, str] = field(
        default_factory=lambda: {"cpu": "20m", "memory": "48Mi"},
    )
    limits: Mapping[str, str] = field(default_factory=lambda: {"memory": "128Mi"})
