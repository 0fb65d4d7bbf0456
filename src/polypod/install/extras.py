"""What must change elsewhere for a platform and a primary, as files ready to apply.

README.md in their folder says of each where it goes, and where nothing has to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One file: what it says, and what somebody does with it."""

    text: str
    use: str


CILIUM_VALUES: Final = """\
# Whenever its agent starts, Cilium renames the CNI configuration of everybody else to *.cilium_bak:
# Polypod's too. Pods then start with their first network only, and nothing says why.
cni:
  exclusive: false
"""
RKE2_CILIUM: Final = """\
# Charts of RKE2 since November 2025 have this value already; to say it again does no harm.
apiVersion: helm.cattle.io/v1
kind: HelmChartConfig
metadata:
  name: rke2-cilium
  namespace: kube-system
spec:
  valuesContent: |-
    cni:
      exclusive: false
"""
RKE2_SERVER: Final = """\
# No `multus` here: two programs of its kind on one node would call each other for ever.
cni: {primary}
"""
K3S_SERVER: Final = """\
# k3s leaves the first network to {primary}. Its containerd then looks into the usual folders,
# /opt/cni/bin and /etc/cni/net.d, no longer into those below /var/lib/rancher/k3s.
flannel-backend: none
disable-network-policy: true
"""
KIND: Final = """\
# A cluster without kind's own first network, for {primary}.
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
networking:
  disableDefaultCNI: true
"""
NOTES: Final[Mapping[str, str]] = {
    "cilium": "Apart from `cni.exclusive`, Cilium stays as it is. Name its `devices` if the node"
    " has links that it should not take for its own, for example a bridge for pods.",
    "calico": "Nothing changes. Calico writes `10-calico.conflist`; Polypod's file sorts before"
    " it.",
    "flannel": "Nothing changes. Flannel writes `10-flannel.conflist`; Polypod's file sorts before"
    " it. Flannel goes on to use the programs `bridge` and `host-local` of the node: Polypod never"
    " replaces a file that is there.",
}


def files(platform: str, primary: str) -> dict[str, str]:
    """Return the files by name, README.md always among them."""
    found = _wanted(platform, primary)
    texts = {name: extra.text for name, extra in found.items()}
    return texts | {"README.md": _readme(platform, primary, found)}


def _wanted(platform: str, primary: str) -> dict[str, Extra]:
    found: dict[str, Extra] = {}
    if primary == "cilium" and platform == "rke2":
        found["rke2-cilium-config.yaml"] = Extra(
            text=RKE2_CILIUM,
            use="`kubectl apply -f` it, or put it into `/var/lib/rancher/rke2/server/manifests/`",
        )
    elif primary == "cilium":
        found["cilium-values.yaml"] = Extra(
            text=CILIUM_VALUES,
            use="`helm upgrade cilium cilium/cilium -n kube-system --reuse-values -f` it",
        )
    server = {"rke2": RKE2_SERVER, "k3s": K3S_SERVER}.get(platform, "")
    if primary and server and (platform, primary) != ("k3s", "flannel"):
        found[f"{platform}-server.yaml"] = Extra(
            text=server.format(primary=primary),
            use=f"its lines belong into `/etc/rancher/{platform}/config.yaml` of every server,"
            " before the first start of a new cluster",
        )
    if primary and platform == "kind":
        found["kind.yaml"] = Extra(
            text=KIND.format(primary=primary), use="`kind create cluster --config` it"
        )
    return found


def _readme(platform: str, primary: str, found: Mapping[str, Extra]) -> str:
    lines = [f"# Beside Polypod on {platform}{f' with {primary}' if primary else ''}", ""]
    lines += [f"* `{name}`: {extra.use}." for name, extra in found.items()]
    if not found:
        lines.append("Nothing has to change.")
    if primary:
        lines += ["", NOTES[primary]]
    return "\n".join(lines) + "\n"
