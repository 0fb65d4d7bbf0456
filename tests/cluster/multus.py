"""The reference meta-plugin, thin, on the test cluster: executed by the runtime, asking the API."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from cluster import build, node, pki, versions
from cluster.place import Place
from tests.cluster.kube import Kube

from polypod.install.crd import crd

CONF = "00-multus.conf"
CACHE = Path("/var/lib/cni/multus")


def in_file(place: Place) -> dict[str, object]:
    """Return what says that the primary is the node's file, as its own entry point writes it.

    Of a list in a file 4.3.0 tells a DEL only what is common to all plugins. The reference's bridge
    then does not find its addresses, and such a pod does not end by Multus.
    """
    return {"clusterNetwork": str(place.cni_conf / node.PRIMARY)}


def written_out(place: Place) -> dict[str, object]:
    """Return the primary, copied into Multus's configuration as earlier entry points did."""
    return {"delegates": [json.loads((place.cni_conf / node.PRIMARY).read_text("utf-8"))]}


def install(kube: Kube, place: Place, primary: Mapping[str, object], **settings: object) -> None:
    """Place the executable and its configuration, as its own entry point would."""
    build.build(build.multus())
    kube.apply(crd())
    shutil.copy2(versions.multus() / "multus", place.cni_bin / "multus")
    config = {
        "cniVersion": "1.0.0",
        "name": "multus-cni-network",
        "type": "multus",
        "capabilities": {"portMappings": True},
        "kubeconfig": str(pki.kubeconfig(place.pki, "admin")),
        "binDir": str(place.cni_bin),
        "logToStderr": False,
        **primary,
        **settings,
    }
    fresh = place.cni_conf / ".multus.new"
    fresh.write_text(json.dumps(config), encoding="utf-8")
    fresh.rename(place.cni_conf / CONF)


def uninstall(place: Place) -> None:
    """Take everything of it away."""
    for path in (*place.cni_conf.glob(f"{CONF}*"), place.cni_bin / "multus"):
        path.unlink(missing_ok=True)
    shutil.rmtree(CACHE, ignore_errors=True)


def sandboxes() -> list[str]:
    """Return what Multus keeps of its pods."""
    return sorted(path.name for path in CACHE.glob("*") if path.is_file())


def results() -> list[str]:
    """Return what libcni keeps of them, Multus's and the runtime's."""
    found = [*CACHE.glob("results/*"), *Path("/var/lib/cni/results").glob("multus-cni-network-*")]
    return sorted(path.name for path in found)
