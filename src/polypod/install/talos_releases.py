"""What each release of Talos reads and what its kernel holds: facts, by release.

From Talos's published configuration schemas and kernel configurations. Links were described below
`machine.network` until 1.11, in documents of their own since 1.12; modules and sysctls followed in
1.14.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from polypod.errors import InvalidConfigError, UnsupportedError


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """A release of Talos, without its patch level."""

    major: int
    minor: int

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{self.major}.{self.minor}"

    @property
    def has_link_documents(self) -> bool:
        """BridgeConfig, BondConfig, VLANConfig, LinkConfig, DHCPv4Config."""
        return self >= Release(1, 12)

    @property
    def has_system_documents(self) -> bool:
        """KernelModuleConfig, SysctlConfig, KubeInlineManifestConfig."""
        return self >= Release(1, 14)


RELEASES: Final = tuple(Release(1, minor) for minor in range(9, 15))
BUILT_IN: Final = frozenset({
    "8021q", "bonding", "br_netfilter", "bridge", "dummy", "ipvlan", "macvlan", "macvtap",
    "nf_tables", "openvswitch", "tun", "veth", "vhost_net", "vxlan",
})  # fmt: skip
"""In the kernel of every release here: there is nothing to load."""
ABSENT: Final = frozenset({"ipvtap", "macsec", "team", "xfrm_interface"})
"""In no kernel of Talos."""
SINCE: Final = {"ifb": Release(1, 14)}
"""Modules that older kernels lack."""
_form = re.compile(r"v?(\d+)\.(\d+)(?:\.\d+(?:-[\w.]+)?)?")


def release(text: str) -> Release:
    """Return the release that a version belongs to: `1.13`, `v1.13.2`.

    Raises:
        InvalidConfigError: it is no version, or one whose configuration is not known.
    """
    found = _form.fullmatch(text.strip())
    known = f"{RELEASES[0]} to {RELEASES[-1]}"
    if found is None:
        raise InvalidConfigError(
            f"{text[:40]!r} is no version of Talos",
            hint=f"write it as `talosctl version` does, for example 1.13; known are {known}",
        )
    asked = Release(int(found[1]), int(found[2]))
    if asked not in RELEASES:
        raise InvalidConfigError(
            f"the machine configuration of Talos {asked} is not known",
            hint=f"known are {known}; try the nearest one and let Talos check it"
            " (`talosctl validate`)",
        )
    return asked


def has_to_be_loaded(module: str, asked: Release) -> bool:
    """Tell whether a module must be named in the machine configuration.

    Modules that nothing is known of, as those of system extensions, are taken at their word.

    Raises:
        UnsupportedError: the kernel of that release has no such module.
    """
    if module in ABSENT:
        raise UnsupportedError(
            f"no kernel of Talos has the module {module}", hint="leave it out; nothing loads it"
        )
    since = SINCE.get(module)
    if since is not None and asked < since:
        raise UnsupportedError(
            f"the kernel of Talos {asked} has no module {module}",
            hint=f"Talos {since} is the first that has it",
        )
    return module not in BUILT_IN
