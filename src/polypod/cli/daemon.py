"""`polypod daemon`: parses its options and runs it. No click here: it stays in memory."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from polypod.daemon.options import Options
from polypod.errors import PolypodError
from polypod.nad import node_settings
from polypod.nad.node_settings import NodeSettings, Reading

Add: TypeAlias = Callable[..., argparse.Action]


def parser() -> argparse.ArgumentParser:
    """Return the options of the daemon."""
    options = argparse.ArgumentParser(
        prog="polypod daemon", description="Serve this node's pods with networks."
    )
    for group in (_own_files, _plugins, _serving, _pods, _node):
        group(options.add_argument)
    return options


def _own_files(add: Add) -> None:
    """Where it keeps things, and what it reads instead of a cluster."""
    add("--socket", type=Path, default=Path("/run/polypod/polypod.sock"), help="the shim's socket")
    add("--state", type=Path, default=Path("/var/lib/polypod"), help="journal and spool")
    add("--manifests", type=Path, help="folder of NetworkAttachmentDefinition and Pod YAML")
    add("--status", type=Path, help="folder for network-status, NAMESPACE/POD.json")
    add("--primary", type=Path, help="the primary network's .conf or .conflist")
    add(
        "--config", type=Path, metavar="FILE", help="settings, as YAML or JSON; options win over it"
    )
    add("--config-schema", action="store_true", help="print the JSON schema of that file, and end")
    add(
        "--networks",
        type=Path,
        help="folder of configurations that are only named (default: the file's confDir)",
    )
    add("--data-root", type=Path, help="one more root under which a network's dataDir may lie")
    add("--spool", type=Path, help="where the shim keeps DELs (default: STATE/spool)")


def _plugins(add: Add) -> None:
    """Where foreign plugins are, and whose mounts they run in."""
    add(
        "--path",
        help="where foreign plugins are, colon separated (default: the file's binDir, or the"
        " runtime's folders)",
    )
    add(
        "--runtime-socket",
        type=Path,
        help="ask the runtime at this socket for CNI folders that are not named, and run plugins"
        " that no pod's call asked for in its mounts",
    )
    add(
        "--runtime-mounts",
        type=Path,
        metavar="SOCKET",
        help="only the latter: the runtime at this socket is asked nothing",
    )


def _serving(add: Add) -> None:
    """How it serves."""
    add("--metrics", default="", metavar="HOST:PORT", help="serve /metrics, /healthz, /readyz")
    add("--threads", type=int, default=32, help="threads that accept (default 32, at least 4)")
    add(
        "--stand-by",
        type=float,
        default=0,
        metavar="SECONDS",
        help="ask a running daemon to let go, and wait so long for its place (default: refuse)",
    )


def _pods(add: Add) -> None:
    """Which networks pods may use, and who tells of pods."""
    add(
        "--namespace-isolation",
        action=argparse.BooleanOptionalAction,
        help="whether pods may only use NADs of their own namespace (default: yes)",
    )
    add("--global-namespaces", help="namespaces whose NADs all pods may use (default: default)")
    add("--in-cluster", action="store_true", help="take pods from the API server of this pod")
    add("--kubeconfig", type=Path, help="take pods from this API server (NODE_NAME: which node)")
    add(
        "--strict-status",
        action=argparse.BooleanOptionalAction,
        help="let an ADD wait for its network-status, and fail without it (default: no)",
    )
    add(
        "--last-known",
        action=argparse.BooleanOptionalAction,
        help="start pods that were known before while the API server is away (default: yes)",
    )


def _node(add: Add) -> None:
    """What the node has: its CNI folders, its kubelet, its log."""
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
    add(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        help="how much the log says (default: info)",
    )


def main(words: list[str]) -> int:
    """Run the daemon until it is told to stop; return the exit code."""
    chosen = parser().parse_args(words)
    if chosen.config_schema:
        return _print_schema()
    from polypod.daemon import lines, settings_file
    from polypod.daemon.app import Daemon

    path: Path | None = chosen.config
    try:
        reading = settings_file.read(path) if path else Reading(settings=NodeSettings())
        lines.begin(chosen.log_level or reading.settings.log_level)
        if path is not None:
            settings_file.tell(reading, path)
        Daemon(options_of(chosen, reading)).run()
    except PolypodError as error:
        print(f"polypod daemon: {error.cause}\n  hint: {error.hint}", file=sys.stderr)
        return 1
    return 0


def options_of(chosen: argparse.Namespace, reading: Reading) -> Options:
    """Return what the daemon is told: what the command line does not say is the file's."""
    from polypod.install import place

    settings = reading.settings
    isolation, spaces = chosen.namespace_isolation, chosen.global_namespaces
    strict, last = chosen.strict_status, chosen.last_known
    conf, shim, primary, path = _folders(chosen, reading)
    ready = settings.readiness_indicator_file
    runtime: Path | None = chosen.runtime_mounts or chosen.runtime_socket
    return Options(
        socket=chosen.socket,
        state=chosen.state,
        manifests=chosen.manifests,
        status=chosen.status,
        primary=chosen.primary,
        networks=chosen.networks or Path(settings.conf_dir),
        data_root=chosen.data_root,
        spool=chosen.spool,
        path=path,
        runtime=runtime,
        shim=place.shim_binary() if runtime else None,
        metrics=chosen.metrics,
        threads=chosen.threads,
        stand_by_s=chosen.stand_by,
        namespace_isolation=settings.namespace_isolation if isolation is None else isolation,
        global_namespaces=frozenset(spaces.split(",") if spaces else settings.global_namespaces),
        multus_namespace=settings.multus_namespace,
        cluster_network="" if chosen.primary else settings.cluster_network,
        default_networks=settings.default_networks,
        system_namespaces=frozenset(settings.system_namespaces),
        auxiliary_chain=settings.auxiliary_cni_chain_name,
        ready_file=Path(ready) if ready else None,
        multus_cache=Path(settings.cni_dir) if "cniDir" in reading.given else None,
        kubeconfig=chosen.kubeconfig,
        in_cluster=chosen.in_cluster,
        strict_status=settings.strict_status if strict is None else strict,
        last_known=settings.last_known if last is None else last,
        conf_dir=conf,
        primary_dir=primary,
        kubelet=chosen.kubelet,
        device_info=chosen.device_info,
        place_shim=partial(place.install_shim, shim, links=False) if shim else None,
        remove_shim=partial(place.remove_shim, shim) if shim else None,
    )


def _folders(
    chosen: argparse.Namespace, reading: Reading
) -> tuple[Path | None, Path | None, Path | None, tuple[str, ...]]:
    """Return where our configuration, the shim, the primary and foreign plugins are.

    What is not said is the runtime's, when its socket is named.
    """
    conf: Path | None = chosen.conf_dir
    shim: Path | None = chosen.shim_dir
    is_said = chosen.runtime_socket is None or "binDir" in reading.given
    told: str = chosen.path or (reading.settings.bin_dir if is_said else "")
    path = tuple(part for part in told.split(":") if part)
    if chosen.runtime_socket is None:
        return conf, shim, conf, path
    from polypod.daemon import runtime_folders

    primary = chosen.primary.parent if chosen.primary else None
    asked = runtime_folders.Folders(conf=conf, shim=shim, primary=primary, path=path)
    memory = chosen.state / "runtime-folders.json"
    found = runtime_folders.settle(asked, chosen.runtime_socket, memory)
    return found.conf, found.shim, found.primary, found.path


def _print_schema() -> int:
    import json

    print(json.dumps(node_settings.schema(), indent=2))
    return 0
