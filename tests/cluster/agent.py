"""Installs the agent as a user would: its image, its rendered manifests, kubectl apply."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

from cluster.place import Place
from tests.cluster.kube import Kube, soon

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/polypod:0.1.0"
NAMESPACE = "polypod-system"


def polypod(*words: str) -> str:
    """Run the command line of this checkout."""
    command = [sys.executable, "-m", "polypod.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def load_image(place: Place) -> None:
    """Build the image of this checkout, and import it."""
    builder = [sys.executable, str(ROOT / "images" / "build.py")]
    subprocess.run(builder, check=True, timeout=600)
    arch = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
    archive = ROOT / "build" / "image" / arch / "polypod.tar"
    ctr = ["ctr", "--address", str(place.containerd), "--namespace", "k8s.io"]
    imported = [*ctr, "images", "import", str(archive)]
    subprocess.run(imported, capture_output=True, check=True, timeout=120)


def folders(place: Place) -> tuple[str, ...]:
    """Return the options that name this cluster's folders."""
    return ("--cni-bin", str(place.cni_bin), "--cni-conf", str(place.cni_conf))


def install(kube: Kube, place: Place, *more: str) -> None:
    """Apply the rendered manifests and wait for the agent."""
    text = polypod("install", "render", "--image", IMAGE, *folders(place), *more)
    kube("apply", "-f", "-", stdin=text)
    wait(kube)
    soon((place.cni_conf / "00-polypod.conflist").exists, "the node's configuration")


def wait(kube: Kube) -> None:
    """Wait until the agent of every node is the newest, and ready."""
    kube("-n", NAMESPACE, "rollout", "status", "daemonset/polypod", "--timeout=90s")


def uninstall(kube: Kube) -> None:
    """Delete everything but the CRD's objects."""
    kube("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s")
    for kind in (
        "clusterrole",
        "clusterrolebinding",
        "validatingadmissionpolicy",
        "validatingadmissionpolicybinding",
    ):
        kube("delete", kind, "polypod", "--ignore-not-found")


def pid() -> int:
    """Return the process id of the agent that serves."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"--in-cluster" in words and b"daemon" in words:
            return int(path.parent.name)
    raise AssertionError("no agent runs")
