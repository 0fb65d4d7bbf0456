"""What the journal keeps of one attachment: the steps taken, in order, and its result.

DEL, CHECK, GC and recovery need nothing else: no pod, no definition, no API server.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from polypod.plan.ops import Identity, Op

RECORD_VERSION = 1


class PluginStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="plugin"):
    """Ops of a built-in plugin; identities line up with ops once they have been applied."""

    type: str
    ops: tuple[Op, ...] = ()
    identities: tuple[Identity | None, ...] = ()


class LeaseStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="lease"):
    """Addresses of a built-in IPAM; released by container id and interface name."""

    type: str
    directory: str = ""
    network: str = ""


class ForeignStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="foreign"):
    """A foreign plugin that ran ADD; DEL runs the same type with the same configuration."""

    type: str
    config: bytes
    """Stdin of its ADD: the injected plugin configuration."""
    arguments: str = ""
    """CNI_ARGS as it had them."""
    path: tuple[str, ...] = ()


class DeviceStep(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", tag="device"):
    """A file that tells of the attachment's device; DEL removes it."""

    file: str


Step: TypeAlias = PluginStep | LeaseStep | ForeignStep | DeviceStep


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One attachment: (container_id, network, ifname) is its key."""

    container_id: str
    network: str
    """The CNI network's name (the configuration's, not the definition's)."""
    ifname: str
    called: str = ""
    """The network name of the call that made it; GC never crosses it."""
    display_name: str = ""
    """`namespace/name` of the definition, or the network's name."""
    position: int = 0
    """Order within the pod; the primary is 0."""
    pod_namespace: str = ""
    pod_name: str = ""
    pod_uid: str = ""
    netns: str = ""
    boot_id: str = ""
    cookie: int = 0
    """SO_NETNS_COOKIE of the sandbox, unique within a boot; 0 when unknown."""
    created: float = 0.0
    """Wall time in seconds, for people only."""
    duration_s: float = 0.0
    cni_version: str = "1.0.0"
    config: bytes = b""
    """The network's configuration list as it was used, for CHECK."""
    steps: tuple[Step, ...] = ()
    result: bytes = b""
    """The final result as 1.1.0 JSON; empty while the ADD is under way."""
    version: int = RECORD_VERSION
