"""Flannel as the test cluster's primary: its own manifest, its own daemon, and the way back."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import yaml
from cluster import build, flannel, jobs, node, processes, versions
from cluster.place import NODE, Place
from tests.cluster.kube import Kube, Object, soon
from tests.cluster.traces import LEASES

from polypod.install.detect import FLANNEL

NAMESPACE, DAEMON_SET = "kube-flannel", "kube-flannel-ds"
CONF = "10-flannel.conflist"
SUBNET_FILE = Path("/run/flannel/subnet.env")
KEPT = Path("/var/lib/cni/flannel")
"""Where its plugin keeps what it made of a pod's configuration, until the pod's DEL."""
SUBNET = "10.244.0.0/24"
"""The node's part of the network that the manifest names."""
LINKS = ("cni0", "flannel.1")
TABLES = ("nat", "filter")
"""iptables', which nobody else on the node uses: Flannel's rules, and portmap's chains."""


def install(kube: Kube, place: Place) -> None:
    """Make it the node's primary in place of the reference plugins, as on a new cluster."""
    for job in (jobs.flannel(), jobs.flannel_plugin()):
        build.build(job)
    manifest = _manifest(place)
    _load_images(place, manifest)
    # As the controller manager does where it is told the pods' network.
    wanted = json.dumps({"spec": {"podCIDR": SUBNET, "podCIDRs": [SUBNET]}})
    kube("patch", "node", NODE, "--type=merge", "-p", wanted)
    (place.cni_conf / node.PRIMARY).unlink()
    _delete_links(place)  # both have a bridge of one name, each with addresses of its own
    kube("apply", "-f", "-", stdin=_text(manifest))
    wait(kube)
    soon(lambda: node.is_ready(place), "a Ready node")


def wait(kube: Kube) -> None:
    """Wait until flanneld is the newest, and ready."""
    words = ("rollout", "status", f"daemonset/{DAEMON_SET}", "--timeout=60s")
    try:
        kube("-n", NAMESPACE, *words)
    except AssertionError as error:
        error.add_note(kube("-n", NAMESPACE, "describe", "pods"))
        error.add_note(kube("-n", NAMESPACE, "logs", f"daemonset/{DAEMON_SET}", "--tail=40"))
        raise


def restart(kube: Kube) -> None:
    """Start flanneld anew."""
    kube("-n", NAMESPACE, "rollout", "restart", f"daemonset/{DAEMON_SET}")
    wait(kube)


def uninstall(kube: Kube, place: Place) -> None:
    """Take everything of it away, and have the reference plugins back."""
    kube("delete", "-f", "-", "--ignore-not-found", stdin=_text(_manifest(place)))
    kube("annotate", "node", NODE, *(f"{name}-" for name in written_on_node(kube)))
    for table in TABLES:
        _run(place, "nft", "delete", "table", "ip", table)
    _delete_links(place)
    for path in (place.cni_conf / CONF, place.cni_bin / "flannel"):
        path.unlink(missing_ok=True)
    for folder in (SUBNET_FILE.parent, KEPT, LEASES / "cbr0"):
        shutil.rmtree(folder, ignore_errors=True)
    node.write_primary(place, place.cni_conf)


def written_on_node(kube: Kube) -> dict[str, str]:
    """Return what flanneld wrote on the node."""
    found: Object = json.loads(kube("get", "node", NODE, "-o", "json"))
    prefix = FLANNEL.partition("/")[0]
    return {
        name: text
        for name, text in found["metadata"].get("annotations", {}).items()
        if name.startswith(prefix)
    }


def subnet_file() -> dict[str, str]:
    """Return what flanneld tells its plugin."""
    lines = SUBNET_FILE.read_text(encoding="ascii").split()
    return {name: value for name, _, value in (line.partition("=") for line in lines)}


def _manifest(place: Place) -> list[Any]:
    """Return its release's manifest; only the folders on the node are this cluster's."""
    text = (versions.flannel() / "kube-flannel.yml").read_text(encoding="utf-8")
    found: list[Any] = [thing for thing in yaml.safe_load_all(text) if thing]
    paths = {"cni-plugin": place.cni_bin, "cni": place.cni_conf}
    for volume in _pod_of(found)["volumes"]:
        if volume["name"] in paths:
            volume["hostPath"]["path"] = str(paths[volume["name"]])
    return found


def _pod_of(manifest: list[Any]) -> Any:
    (daemon_set,) = [thing for thing in manifest if thing["kind"] == "DaemonSet"]
    assert daemon_set["metadata"]["name"] == DAEMON_SET
    return daemon_set["spec"]["template"]["spec"]


def _text(manifest: list[Any]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": manifest})


def _load_images(place: Place, manifest: list[Any]) -> None:
    """Import images of the names that the manifest has."""
    pod = _pod_of(manifest)
    named = {part["name"]: part["image"] for part in (*pod["initContainers"], *pod["containers"])}
    archives = flannel.write(
        place.root / "images",
        flannel.daemon(named["kube-flannel"]),
        flannel.plugin(named["install-cni-plugin"]),
    )
    ctr = ["ctr", "--address", str(place.containerd), "--namespace", "k8s.io"]
    for archive in archives:
        imported = [*ctr, "images", "import", str(archive)]
        subprocess.run(imported, capture_output=True, check=True, timeout=120)
        archive.unlink()


def _delete_links(place: Place) -> None:
    for link in LINKS:
        _run(place, "ip", "link", "delete", link)


def _run(place: Place, *command: str) -> str:
    """Run a command in the node's network; what is not there need not be removed."""
    inside = processes.inside(place, list(command))
    ran = subprocess.run(inside, capture_output=True, text=True, check=False, timeout=30)
    return ran.stdout
