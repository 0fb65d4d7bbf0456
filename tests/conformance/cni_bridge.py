"""The bridge plugin in the tests: its configuration, and how it refuses one."""

from __future__ import annotations

from typing import Any

from tests.conformance.cni_world import World


def conf(version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "name": "mynet",
        "type": "bridge",
        "bridge": "bridge0",
        **keys,
    }


def error(world: World, config: dict[str, Any], **variables: str | None) -> str:
    return world.call("bridge", "ADD", config, **variables).error[1]
