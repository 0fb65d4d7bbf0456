"""The reference meta-plugin on a node: its configuration, and the switch from it and to it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.e2e import reference
from tests.e2e.cri import PodName
from tests.e2e.node import Node
from tests.e2e.programs import wait_until

CONF = "00-multus.conf"
PLUGINS = ("bridge", "macvlan", "host-local", "tuning", "ptp")


def cache(node: Node) -> Path:
    """Return Multus's folder, which is where a daemon with this node's data root looks for it."""
    return node.root / "data" / "multus"


def folder(node: Node) -> Path:
    """Return the folder of the reference plugins, filled."""
    found = node.root / "reference"
    found.mkdir(exist_ok=True)
    for name in PLUGINS:
        shutil.copy2(reference.BUILT / name, found / name)
    return found


def configure(node: Node, *delegates: dict[str, Any]) -> None:
    """Give the runtime Multus's configuration; it sorts before ours."""
    shutil.copy2(reference.BUILT / "multus", node.root / "bin" / "multus")
    _write(
        node,
        {
            "cniVersion": "1.0.0",
            "name": "multus-cni-network",
            "type": "multus",
            "binDir": str(folder(node)),
            "cniDir": str(cache(node)),
            "delegates": [_with_leases(one, node) for one in delegates],
        },
    )


def attached(node: Node) -> list[str]:
    """Return what Multus and libcni keep of its pods."""
    return sorted(path.name for path in cache(node).rglob("*") if path.is_file())


def withdraw(node: Node) -> None:
    """Take Multus's configuration away, as its uninstallation does."""
    (node.root / "net.d" / CONF).unlink(missing_ok=True)


def _with_leases(config: dict[str, Any], node: Node) -> dict[str, Any]:
    """Return a configuration whose leases lie where this node's daemon keeps its own."""
    if "plugins" in config:
        return {**config, "plugins": [_with_leases(one, node) for one in config["plugins"]]}
    if "ipam" not in config:
        return config
    return {**config, "ipam": {**config["ipam"], "dataDir": str(node.leases)}}


def _write(node: Node, config: dict[str, Any]) -> None:
    fresh = node.root / "net.d" / ".multus.new"
    fresh.write_text(json.dumps(config))
    fresh.rename(node.root / "net.d" / CONF)


def run_pod(node: Node, pod: PodName, *, by_multus: bool) -> str:
    """Start a pod once the runtime has read its folder again, and return its sandbox."""
    found: list[str] = []

    def is_attached() -> bool:
        sandbox = node.runtime.run_pod(pod)
        if (cache(node) / sandbox).exists() == by_multus:
            found.append(sandbox)
            return True
        end_pod(node, sandbox)
        return False

    wait_until(is_attached, "the runtime reads its folder", every_s=0.3)
    return found[0]


def end_pod(node: Node, sandbox: str) -> None:
    """Stop and remove a pod."""
    node.runtime.stop_pod(sandbox)
    node.runtime.remove_pod(sandbox)
