"""One network that a pod is to have, with all that decides how it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from polypod.cni.lists import NetworkList
from polypod.engine.doors import Doors

T = TypeVar("T")


class DeviceFile(msgspec.Struct, frozen=True):
    """The file that tells of an attachment's device."""

    name: str
    source: str = ""
    """The device plugin's file that it is copied from; empty when there is none to copy."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """The ordered work of one ADD is a tuple of these; position 0 is the primary."""

    network: NetworkList
    ifname: str
    display_name: str
    position: int
    arguments: str = ""
    """CNI_ARGS for its plugins."""
    capabilities: Mapping[str, object] = msgspec.field(default_factory=dict[str, object])
    """Values for runtimeConfig, by capability."""
    path: tuple[str, ...] = ()
    default_route: tuple[str, ...] | None = None
    device_file: DeviceFile | None = None

    @property
    def is_primary(self) -> bool:
        """Tell whether this is the pod's default network."""
        return self.position == 0


def built_in(table: Mapping[str, T], type_: str, attachment: Attachment, doors: Doors) -> T | None:
    """Return a built-in plugin; in the primary's own chain a binary on the host wins."""
    found = table.get(type_)
    if found is not None and attachment.is_primary and doors.foreign.has(type_, attachment.path):
        return None
    return found
