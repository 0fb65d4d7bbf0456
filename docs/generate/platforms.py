"""docs/reference/platforms.md: what `polypod install render` knows of platforms and primaries."""

from __future__ import annotations

from docs.generate.markdown import cell, code, page, table

from polypod.install.platforms import PLATFORMS, PRIMARIES, Platform, beside
from polypod.install.talos_releases import ABSENT, BUILT_IN, RELEASES, SINCE, Release

LEAD = """
Where each distribution keeps what the agent touches, and what primaries are known by. `polypod
install render` takes it from here; `--cni-bin`, `--cni-conf` and `--kubelet` change single folders.
By the runtime's socket the agent finds the runtime's mounts; what it may do there stands under
[Security](../security.md).
"""
OTHER = "calico"
"""A primary that is part of no platform."""


def _row(platform: Platform, name: str) -> tuple[str, ...]:
    api = f"{platform.api_host}:{platform.api_port}" if platform.api_host else ""
    folders = (platform.cni_bin, platform.cni_conf, platform.runtime_socket, platform.kubelet)
    return (name, *(code(folder) for folder in folders), code(api))


def _platforms() -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, platform in PLATFORMS.items():
        rows.append(_row(platform, name))
        if platform.own_primary:
            rows.append(
                _row(beside(platform, OTHER), f"{name}, not with its {platform.own_primary}")
            )
    return rows


def _primaries() -> list[tuple[str, ...]]:
    return [
        (name, ", ".join(code(word) for word in primary.daemon_sets), cell(primary.note))
        for name, primary in PRIMARIES.items()
    ]


def _talos(release: Release) -> tuple[str, ...]:
    links = "documents" if release.has_link_documents else "`machine.network`"
    system = "documents" if release.has_system_documents else "`machine.kernel`, `machine.sysctls`"
    return (str(release), links, system)


def _modules() -> str:
    built_in = ", ".join(code(name) for name in sorted(BUILT_IN))
    absent = ", ".join(code(name) for name in sorted(ABSENT))
    later = ", ".join(f"`{name}` (since {since})" for name, since in sorted(SINCE.items()))
    return f"Part of every kernel: {built_in}. In none: {absent}. In some: {later}.\n"


def render() -> str:
    """Return the page."""
    folders = ("Platform", "Plugins", "Configuration", "Runtime's socket", "Kubelet", "API server")
    return page(
        "Platforms",
        LEAD,
        "## Folders\n\n" + table(folders, _platforms()),
        "## Primaries\n\n"
        + table(("Primary", "Known by the DaemonSet", "Beside it"), _primaries())
        + "\nFlannel is known by its annotation on nodes too, where it has no DaemonSet.\n",
        "## Releases of Talos\n\n"
        + table(("Release", "Links", "Modules and sysctls"), map(_talos, RELEASES))
        + "\n"
        + _modules(),
    )
