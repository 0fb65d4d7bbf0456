"""Plugin configurations that the cases use, by what differs."""

from __future__ import annotations

from typing import Any


def bridge(number: int, **more: Any) -> dict[str, Any]:
    """Return a bridge plugin with addresses of 10.NUMBER.0.0/24."""
    ipam = {"type": "host-local", "subnet": f"10.{number}.0.0/24"}
    return {"type": "bridge", "bridge": f"br{number}", "ipam": ipam, **more}


def macvlan(**more: Any) -> dict[str, Any]:
    """Return a macvlan plugin on the node's uplink."""
    ipam = {"type": "host-local", "subnet": "10.60.0.0/24"}
    return {"type": "macvlan", "master": "uplink", "ipam": ipam, **more}


def tuning() -> dict[str, Any]:
    """Return a chained plugin that changes what the one before made."""
    return {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}}
