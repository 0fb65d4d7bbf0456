"""deploy/: the manifests as `polypod install render` writes them, for those who apply files."""

from __future__ import annotations

from docs.generate import settings

from polypod.install import chart, extras, render, uninstall
from polypod.install.platforms import PLATFORMS
from polypod.install.values import Values

FOLDER = "../deploy"
"""Seen from docs/."""


def files() -> dict[str, str]:
    """Return every generated file of deploy/ by its path there."""
    values = {name: Values(platform=platform) for name, platform in PLATFORMS.items()}
    usual = values["kubeadm"]
    found = {f"yaml/{name}.yaml": render.plain(given) for name, given in values.items()}
    found |= {f"kustomize/{name}": text for name, text in render.kustomize(usual).items()}
    found |= {f"helm/polypod/{name}": text for name, text in chart.files(usual).items()}
    found[settings.SCHEMA] = settings.schema()
    found |= {
        f"uninstall/{name}.yaml": uninstall.plain(values[name]) for name in ("kubeadm", "k3s")
    }
    for platform, name in (
        ("kubeadm", "cilium-values.yaml"),
        ("rke2", "rke2-cilium-config.yaml"),
    ):
        found[f"beside/{name}"] = extras.files(platform, "cilium")[name]
    return found
