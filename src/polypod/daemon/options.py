"""What one daemon is told by its command line; cli/daemon.py makes it, everything else reads it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

SOCKET = Path("/run/polypod/polypod.sock")
STATE = Path("/var/lib/polypod")
THREADS = 32


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may set."""

    socket: Path = SOCKET
    state: Path = STATE
    manifests: Path | None = None
    status: Path | None = None
    primary: Path | None = None
    networks: Path | None = None
    data_root: Path | None = None
    path: tuple[str, ...] = ("/opt/cni/bin",)
    spool: Path | None = None
    runtime: Path | None = None
    """The container runtime's socket, for a daemon whose mounts are not the runtime's."""
    shim: Path | None = None
    """The shim program, which enters the runtime's mounts."""
    metrics: str = ""
    """HOST:PORT of the health page; empty for none."""
    threads: int = THREADS
    stand_by_s: float = 0.0
    """How long to wait for another daemon to let go; 0 refuses at once."""
    namespace_isolation: bool = True
    global_namespaces: frozenset[str] = frozenset({"default"})
    multus_namespace: str = "kube-system"
    cluster_network: str = ""
    """The network of every pod's first interface: a name, or a path; empty: the primary's file."""
    default_networks: tuple[str, ...] = ()
    system_namespaces: frozenset[str] = frozenset({"kube-system"})
    """Namespaces whose pods get no default networks."""
    auxiliary_chain: str = ""
    ready_file: Path | None = None
    """The file that the primary writes when it can attach pods."""
    multus_cache: Path | None = None
    """What Multus kept of its pods; None for `multus` below the data root."""
    kubeconfig: Path | None = None
    in_cluster: bool = False
    """Pods and definitions come from the API server that runs this pod."""
    strict_status: bool = False
    """An ADD waits until its network-status is written, and fails when it cannot be."""
    last_known: bool = True
    """A start without API server believes what was known before of the very pods."""
    conf_dir: Path | None = None
    """The node's CNI configuration folder: the primary is found there, ours is kept there."""
    primary_dir: Path | None = None
    """Where the primary is found when that folder is not named: the runtime's."""
    kubelet: Path = Path("/var/lib/kubelet")
    """The kubelet's folder: it says there which devices a pod has."""
    device_info: Path = Path("/var/run/k8s.cni.cncf.io/devinfo")
    """Where device plugins and we tell of devices."""
    place_shim: Callable[[], object] | None = None
    """Places the shim where the runtime looks for plugins."""
    remove_shim: Callable[[], object] | None = None
