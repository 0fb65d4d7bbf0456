"""What Multus and libcni keep of a pod, as they write it, and a DEL that looks there."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from polypod.engine import detach
from polypod.engine.doors import Caller
from polypod.store.multus_cache import MultusCache
from polypod.testing.node import Node, Sandbox

POOL = {"type": "host-local", "subnet": "10.5.0.0/24"}
RESULT = {"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.2/24"}]}


def delegate(config: dict[str, Any], **asked: Any) -> dict[str, Any]:
    """Return one entry as Multus writes it."""
    empty = {"cniVersion": "", "name": "", "type": "", "ipam": {}, "dns": {}}
    is_list = "plugins" in config
    return {
        "Conf": empty if is_list else {**empty, **config},
        "ConfList": {**config} if is_list else {"plugins": None},
        "Name": config["name"],
        "ifnameRequest": asked.get("ifname", ""),
        "macRequest": asked.get("mac", ""),
        "infinibandGUIDRequest": "",
        "ipRequest": asked.get("ips"),
        "default-route": None,
        "IsFilterV4Gateway": False,
        "IsFilterV6Gateway": False,
        "deviceID": asked.get("device", ""),
        "resourceName": "",
        "Bytes": _encoded(config),
    }


def of_file(config: dict[str, Any], *chained: dict[str, Any]) -> dict[str, Any]:
    """Return one entry as Multus 4.3.0 writes a list that it read from a file.

    `Bytes` has lost all that is not common to plugins; what was run is below another key. Plugins
    chained by files of their own are in it, and not in its text.
    """
    plugins = [_common(plugin) for plugin in (*config["plugins"], *chained)]
    whole = {
        "Name": config["name"],
        "CNIVersion": config["cniVersion"],
        "Plugins": [
            {"Network": _common(plugin), "Bytes": _encoded(plugin)}
            for plugin in (*config["plugins"], *chained)
        ],
        "Bytes": _encoded(config),
    }
    return delegate({**config, "plugins": plugins}) | {"CNINetworkConfigList": whole}


def _common(plugin: dict[str, Any]) -> dict[str, Any]:
    ipam = {"type": plugin["ipam"]["type"]} if "ipam" in plugin else {}
    return {key: plugin[key] for key in ("capabilities", "type") if key in plugin} | {"ipam": ipam}


def _encoded(config: dict[str, Any]) -> str:
    return base64.b64encode(json.dumps(config).encode()).decode()


PRIMARY = {
    "cniVersion": "1.0.0",
    "name": "cbr0",
    "plugins": [
        {"type": "flannel", "delegate": {"isDefaultGateway": True}},
        {"type": "portmap", "capabilities": {"portMappings": True, "mac": True}},
    ],
}
SECOND = {"cniVersion": "0.3.1", "name": "second", "type": "macvlan", "ipam": POOL}


def folders(tmp_path: Path) -> Path:
    """Make the folders, and return where they lie."""
    (tmp_path / "multus" / "results").mkdir(parents=True)
    (tmp_path / "results").mkdir()
    return tmp_path


def delete(node: Node, sandbox: Sandbox, files: Path) -> None:
    """Delete a pod of before."""
    doors = replace(node.doors(), cache=MultusCache(files / "multus", files / "results"))
    detach.detach(sandbox.request("DEL"), Caller(), doors)
