"""The agent's configuration file, as a ConfigMap: what an installation chooses, and more of it.

Its keys are nad/node_settings.py's. The mount is optional, so that an agent starts without it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

import yaml

from polypod.install.values import Values
from polypod.nad import node_settings

FOLDER = "/etc/polypod"
FILE = "daemon.yaml"
CONFIG = "config"
"""The volume of the file."""
HOST_PATH = "host-path"
"""The volumes of folders that the settings name, before their number."""
CHECKSUM = "polypod.io/settings"
"""The annotation by which pods are made anew when the file changes: it is read at the start."""


def content(values: Values) -> dict[str, object]:
    """Return the settings: those that are values of their own, and what was given beside them."""
    return {
        "logLevel": values.log_level,
        "binDir": values.platform.cni_bin,
        "namespaceIsolation": values.namespace_isolation,
        "globalNamespaces": values.global_namespaces.split(","),
        **values.config,
    }


def text(values: Values) -> str:
    """Return the file."""
    if values.config_text:
        return values.config_text
    return yaml.safe_dump(content(values), sort_keys=False, default_flow_style=None)


def config_map(values: Values) -> dict[str, object]:
    """Return the ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": values.name,
            "namespace": values.namespace,
            "labels": {"app.kubernetes.io/name": values.name},
        },
        "data": {FILE: text(values)},
    }


def pod_annotations(values: Values) -> dict[str, str]:
    """Return what the agent's pods carry of the file."""
    return {CHECKSUM: values.config_sum or hashlib.sha256(text(values).encode()).hexdigest()[:16]}


def volumes(values: Values) -> list[dict[str, object]]:
    """Return the volumes of the file, and of the folders that it names."""
    named: list[dict[str, object]] = [
        {"name": f"{HOST_PATH}-{number}", "hostPath": {"path": path}}
        for number, path in enumerate(values.host_paths)
    ]
    return [*named, {"name": CONFIG, "configMap": {"name": values.name, "optional": True}}]


def mounts(values: Values) -> list[dict[str, object]]:
    """Return where the agent sees them: the node's folders where the node has them."""
    named: list[dict[str, object]] = [
        {"name": f"{HOST_PATH}-{number}", "mountPath": path, "readOnly": True}
        for number, path in enumerate(values.host_paths)
    ]
    return [*named, {"name": CONFIG, "mountPath": FOLDER, "readOnly": True}]


def folders(config: Mapping[str, object], mounted: Iterable[str]) -> tuple[str, ...]:
    """Return the node's folders that settings name and that no other mount shows."""
    told = node_settings.build(config, "config")
    named = (
        told.cluster_network,
        *told.default_networks,
        told.readiness_indicator_file,
    )
    wanted = {PurePosixPath(path).parent for path in named if path.startswith("/")}
    if "confDir" in config:
        wanted.add(PurePosixPath(told.conf_dir))
    seen = [PurePosixPath(path) for path in mounted]
    found: list[str] = []
    for path in sorted(wanted):
        if not any(path.is_relative_to(other) for other in seen):
            seen.append(path)
            found.append(str(path))
    return tuple(found)
