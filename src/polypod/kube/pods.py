"""A pod as far as its networks go."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

CONFIG_SOURCE = "kubernetes.io/config.source"
HASH = "kubernetes.io/config.hash"
"""A static pod's: what the runtime knows as its UID."""


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """One pod."""

    namespace: str
    name: str
    uid: str = ""
    annotations: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])
    host_network: bool = False

    @property
    def static(self) -> bool:
        """Tell whether the kubelet made it from a file."""
        return self.annotations.get(CONFIG_SOURCE, "api") != "api"
