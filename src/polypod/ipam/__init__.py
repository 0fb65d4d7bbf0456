"""Which address, and until when: choices, never storage or sockets."""

from __future__ import annotations

from collections.abc import Mapping

from polypod.ipam._shape import Ipam
from polypod.ipam.host_local import HostLocal
from polypod.ipam.static import Static

IPAM: Mapping[str, Ipam] = {"host-local": HostLocal(), "static": Static()}
"""Built-in IPAM plugins by type."""
