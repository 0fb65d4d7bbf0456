"""`polypod daemon`: parses its options and runs it. No click here: it stays in memory."""

from __future__ import annotations

import argparse
import logging
import sys
from functools import partial
from pathlib import Path

from polypod.errors import PolypodError


def parser() -> argparse.ArgumentParser:
    """Return the options of the daemon."""
    options = argparse.ArgumentParser(
        prog="polypod daemon", description="Serve this node's pods with networks."
    )
    add = options.add_argument
    add("--socket", type=Path, default=Path("/run/polypod/polypod.sock"), help="the shim's socket")
    add("--state", type=Path, default=Path("/var/lib/polypod"), help="journal and spool")
    add("--manifests", type=Path, help="folder of NetworkAttachmentDefinition and Pod YAML")
    add("--status", type=Path, help="folder for network-status, NAMESPACE/POD.json")
    add("--primary", type=Path, help="the primary network's .conf or .conflist")
    add("--networks", type=Path, help="folder of configurations that definitions only name")
    add("--data-root", type=Path, help="one more root under which a network's dataDir may lie")
    add("--spool", type=Path, help="where the shim keeps DELs (default: STATE/spool)")
    add("--path", default="/opt/cni/bin", help="where foreign plugins are, colon separated")
    add(
        "--runtime-socket",
        type=Path,
        help="run plugins that no pod's call asked for in the mounts of the runtime at this socket",
    )
    add("--metrics", default="", metavar="HOST:PORT", help="serve /metrics, /healthz, /readyz")
    add("--threads", type=int, default=32, help="threads that accept (default 32, at least 4)")
    add(
        "--stand-by",
        type=float,
        default=0,
        metavar="SECONDS",
        help="ask a running daemon to let go, and wait so long for its place (default: refuse)",
    )
    add("--no-namespace-isolation", action="store_true", help="let pods use any namespace's NADs")
    add("--global-namespaces", default="default", help="namespaces whose NADs all pods may use")
    add("--in-cluster", action="store_true", help="take pods from the API server of this pod")
    add("--kubeconfig", type=Path, help="take pods from this API server (NODE_NAME: which node)")
    add("--conf-dir", type=Path, help="the node's CNI folder: find the primary, keep our file")
    add("--shim-dir", type=Path, help="where the runtime looks for plugins: keep the shim there")
    add(
        "--kubelet",
        type=Path,
        default=Path("/var/lib/kubelet"),
        help="the kubelet's folder: it is asked there which devices a pod has",
    )
    add(
        "--device-info",
        type=Path,
        default=Path("/var/run/k8s.cni.cncf.io/devinfo"),
        help="where device plugins tell of their devices",
    )
    add("--log-level", default="info", choices=["debug", "info", "warning", "error"])
    return options


def main(words: list[str]) -> int:
    """Run the daemon until it is told to stop; return the exit code."""
    chosen = parser().parse_args(words)
    from polypod.daemon.app import Daemon
    from polypod.daemon.lines import LineFormatter
    from polypod.daemon.options import Options
    from polypod.install import place

    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(LineFormatter())
    logging.basicConfig(level=chosen.log_level.upper(), handlers=[output])
    folder: Path | None = chosen.shim_dir
    try:
        Daemon(
            Options(
                socket=chosen.socket,
                state=chosen.state,
                manifests=chosen.manifests,
                status=chosen.status,
                primary=chosen.primary,
                networks=chosen.networks,
                data_root=chosen.data_root,
                spool=chosen.spool,
                path=tuple(part for part in chosen.path.split(":") if part),
                runtime=chosen.runtime_socket,
                shim=place.shim_binary() if chosen.runtime_socket else None,
                metrics=chosen.metrics,
                threads=chosen.threads,
                stand_by_s=chosen.stand_by,
                namespace_isolation=not chosen.no_namespace_isolation,
                global_namespaces=frozenset(chosen.global_namespaces.split(",")),
                kubeconfig=chosen.kubeconfig,
                in_cluster=chosen.in_cluster,
                conf_dir=chosen.conf_dir,
                kubelet=chosen.kubelet,
                device_info=chosen.device_info,
                place_shim=partial(place.install_shim, folder, links=False) if folder else None,
                remove_shim=partial(place.remove_shim, folder) if folder else None,
            )
        ).run()
    except PolypodError as error:
        print(f"polypod daemon: {error.cause}\n  hint: {error.hint}", file=sys.stderr)
        return 1
    return 0
