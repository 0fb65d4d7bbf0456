"""What an installation may choose: names, folders, limits. One value feeds every manifest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from polypod.install.platforms import PLATFORMS, Platform

IMAGE: Final = "polypod"
VERSION: Final = "0.1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Values:
    """One installation. Text fields may hold a template's expressions."""

    platform: Platform = PLATFORMS["kubeadm"]
    name: str = "polypod"
    namespace: str = "polypod-system"
    image: str = f"{IMAGE}:{VERSION}"
    pull_policy: str = "IfNotPresent"
    log_level: str = "info"
    namespace_isolation: bool = True
    global_namespaces: str = "default"
    config: Mapping[str, object] = field(default_factory=dict[str, object])
    """More of the agent's settings, by key."""
    config_text: str = ""
    """The whole file of settings, where it is a template's expression."""
    config_sum: str = ""
    """Likewise its checksum."""
    host_paths: tuple[str, ...] = ()
    """Folders of the node that the settings name: the agent sees them too, read-only."""
    metrics_port: int = 9473
    requests: Mapping[str, str] = field(
        default_factory=lambda: {"cpu": "20m", "memory": "48Mi"},
    )
    limits: Mapping[str, str] = field(default_factory=lambda: {"memory": "128Mi"})
