"""Which releases the cluster is made of, and where the built programs are kept.

The cache lies outside the checkout and is keyed by release, so that every checkout shares it.
"""

from __future__ import annotations

import os
from pathlib import Path

KUBERNETES = "1.37.2"
PLUGINS = "1.9.1"
CNI = "1.3.1"
HELM = "4.3.1"
CONTAINERD = "2.4.2"
MULTUS = "4.3.0"
FLANNEL = "0.28.10"
FLANNEL_PLUGIN = "0.9.1"
"""The last release of the reference plugins that has it."""
NEEDS_GO = (1, 26)

COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
)
REFERENCE = {
    "main": (
        *("bridge", "macvlan", "ipvlan", "vlan", "ptp"),
        *("host-device", "loopback", "dummy", "tap"),
    ),
    "ipam": ("host-local", "static", "dhcp"),
    "meta": ("tuning", "portmap", "bandwidth", "firewall", "sbr", "vrf"),
}


def cache() -> Path:
    """Return the folder of built programs."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path.home() / ".cache") / "polypod" / "cluster"


def kubernetes() -> Path:
    """Return the folder of this release's programs."""
    return cache() / f"kubernetes-{KUBERNETES}"


def reference_plugins() -> Path:
    """Return the folder of the reference plugins."""
    return cache() / f"plugins-{PLUGINS}"


def tools() -> Path:
    """Return the folder of everything else: cnitool, helm."""
    return cache() / f"tools-cni-{CNI}-helm-{HELM}"


def containerd() -> Path:
    """Return the folder of a newer containerd than the distribution's."""
    return cache() / f"containerd-{CONTAINERD}"


def multus() -> Path:
    """Return the folder of the reference meta-plugin's programs."""
    return cache() / f"multus-{MULTUS}"


def flannel() -> Path:
    """Return the folder of Flannel's programs and its manifest."""
    return cache() / f"flannel-{FLANNEL}"


def flannel_plugin() -> Path:
    """Return the folder of the plugin that Flannel's configuration names."""
    return cache() / f"flannel-plugin-{FLANNEL_PLUGIN}-cni-{CNI}"
