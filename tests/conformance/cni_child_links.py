"""Links on a parent link, macvlan and ipvlan: what their tests share."""

from __future__ import annotations

from typing import Any

from tests.conformance.cni_world import SANDBOX, World


def on_parent(world: World, type_: str, version: str, **keys: Any) -> dict[str, Any]:
    """Return a configuration for a link on eth9, with an address; None takes a key away."""
    leased = {"type": "host-local", "dataDir": str(world.data), "subnet": "10.1.2.0/24"}
    given = {
        "cniVersion": version,
        "name": "mynet",
        "type": type_,
        "master": "eth9",
        "ipam": leased,
        **keys,
    }
    return {key: value for key, value in given.items() if value is not None}


def kind_and_mode(world: World) -> tuple[str, str]:
    """Return what the kernel says of eth0 in the sandbox."""
    link = world.link("eth0", SANDBOX)
    assert link is not None
    info = link["linkinfo"]
    return info["info_kind"], info["info_data"]["mode"]
