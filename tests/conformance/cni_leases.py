"""host-local in the tests: its section of a configuration, and calls of it alone."""

from __future__ import annotations

from typing import Any

from tests.conformance.cni_world import World

SETS = [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::0/64"}]]


def one_each(*subnets: str) -> dict[str, Any]:
    """Return a range set for each subnet."""
    return {"ranges": [[{"subnet": subnet}] for subnet in subnets]}


def leased(world: World, *subnets: str, **keys: Any) -> dict[str, Any]:
    """Return a section with a range set for each subnet."""
    return {"type": "host-local", "dataDir": str(world.data), **one_each(*subnets), **keys}


def conf(leases: World, version: str = "1.0.0", ipam: Any = None, **keys: Any) -> dict[str, Any]:
    own = {"type": "host-local", "dataDir": str(leases.data), **(ipam or {})}
    return {"cniVersion": version, "name": "mynet", "type": "bridge", "ipam": own, **keys}


def add(leases: World, config: dict[str, Any], **variables: str) -> list[str]:
    """Run ADD and return the addresses."""
    return [
        ip["address"] for ip in leases.call("host-local", "ADD", config, **variables).ok()["ips"]
    ]


def error(leases: World, config: dict[str, Any], **variables: str) -> str:
    return leases.call("host-local", "ADD", config, **variables).error[1]
