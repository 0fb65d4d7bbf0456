"""Where each distribution of Kubernetes keeps what a node agent touches, and what a primary needs.

Facts only; which of them holds for a cluster is said by the user or asked in detect.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

PLUGINS: Final = "/opt/cni/bin"
CONFIGURATIONS: Final = "/etc/cni/net.d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Where one distribution of Kubernetes keeps what a node agent touches."""

    name: str
    cni_bin: str = PLUGINS
    cni_conf: str = CONFIGURATIONS
    runtime_socket: str = "/run/containerd/containerd.sock"
    kubelet: str = "/var/lib/kubelet"
    plugin_store: str = ""
    """A folder that links in `cni_bin` point into; empty when its files are there themselves."""
    own_primary: str = ""
    """The primary that is built into it; with another one its runtime uses the usual folders."""
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
            note="no patch is needed; `polypod install talos-config` writes bridges and VLANs",
        ),
        Platform(
            name="k3s",
            cni_bin="/var/lib/rancher/k3s/data/cni",
            cni_conf="/var/lib/rancher/k3s/agent/etc/cni/net.d",
            runtime_socket="/run/k3s/containerd/containerd.sock",
            # Its plugins are links to /var/lib/rancher/k3s/data/HASH/bin/.
            plugin_store="/var/lib/rancher/k3s/data",
            own_primary="flannel",
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
    daemon_sets: tuple[str, ...]
    """Names under which its releases run on nodes."""
    note: str = ""


PRIMARIES: Final[Mapping[str, Primary]] = {
    primary.name: primary
    for primary in (
        # First, since what is left of another primary must not hide it.
        Primary(
            name="cilium",
            daemon_sets=("cilium",),
            note="by default Cilium renames the CNI configuration of everybody else at each start"
            " of its agent (cni.exclusive); a file switches that off",
        ),
        Primary(
            name="calico",
            # Canal is Calico's policy on Flannel's network.
            daemon_sets=("calico-node", "canal", "rke2-canal"),
            note="nothing to change",
        ),
        Primary(
            name="flannel",
            daemon_sets=("kube-flannel", "kube-flannel-ds", "rke2-flannel"),
            note="nothing to change",
        ),
    )
}


def beside(platform: Platform, primary: str) -> Platform:
    """Return the platform as it is with a primary; empty for one that nobody named.

    k3s tells its containerd of its own folders only while its own Flannel is on.
    """
    if not platform.own_primary or primary in {"", platform.own_primary}:
        return platform
    return replace(platform, cni_bin=PLUGINS, cni_conf=CONFIGURATIONS, plugin_store="", note="")
