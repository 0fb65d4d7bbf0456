"""Installs the agent as a user would: its image, its rendered manifests, kubectl apply."""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from cluster import life, processes
from cluster.images import MACHINES
from cluster.place import NODE_ADDRESS, Place, here
from tests.cluster.kube import Kube, soon

from polypod.install.values import Values

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/polypod:0.1.0"
NAMESPACE = "polypod-system"


def polypod(*words: str) -> str:
    """Run the command line of this checkout."""
    command = [sys.executable, "-m", "polypod.cli.main", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def render(place: Place, *words: str) -> subprocess.CompletedProcess[str]:
    """Render as a user does: asking the cluster, and naming neither platform nor primary."""
    command = [sys.executable, "-m", "polypod.cli.main", "install", "render", *words]
    return subprocess.run(
        processes.inside(place, command),
        env=life.environment(place),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def build_image() -> Path:
    """Build the image of this checkout, unless nothing that it holds has changed; return it."""
    folder = ROOT / "build" / "image" / MACHINES[platform.machine()]
    archive, stamp = folder / "polypod.tar", folder / "tests.stamp"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "tests.lock").open("w") as lock:  # a second cluster wants it, too
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = _digest_of_sources()
        if not (archive.exists() and stamp.exists() and stamp.read_text() == wanted):
            builder = [sys.executable, str(ROOT / "images" / "build.py")]
            subprocess.run(builder, check=True, timeout=600)
            stamp.write_text(wanted)
    return archive


def load_image(place: Place) -> None:
    """Import the image of this checkout."""
    archive = build_image()
    ctr = ["ctr", "--address", str(place.containerd), "--namespace", "k8s.io"]
    imported = [*ctr, "images", "import", str(archive)]
    subprocess.run(imported, capture_output=True, check=True, timeout=120)


def _digest_of_sources() -> str:
    whole = hashlib.sha256()
    for name in ("src", "shim", "images", "requirements/runtime.txt", "pyproject.toml"):
        top = ROOT / name
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                whole.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return whole.hexdigest()


def folders(place: Place) -> tuple[str, ...]:
    """Return the options that name this cluster's folders."""
    options = {
        "--cni-bin": place.cni_bin,
        "--cni-conf": place.cni_conf,
        "--runtime-socket": place.containerd,
        "--kubelet": place.kubelet / "root",
    }
    return tuple(str(word) for pair in options.items() for word in pair)


def install(kube: Kube, place: Place, *more: str) -> None:
    """Apply the rendered manifests and wait for the agent."""
    text = polypod("install", "render", "--image", IMAGE, *folders(place), *more)
    kube("apply", "-f", "-", stdin=text)
    wait(kube)
    soon((place.cni_conf / "00-polypod.conflist").exists, "the node's configuration")


def wait(kube: Kube) -> None:
    """Wait until the agent of every node is the newest, and ready."""
    kube("-n", NAMESPACE, "rollout", "status", "daemonset/polypod", "--timeout=90s")


def renew(kube: Kube) -> None:
    """Have an agent that never died: one that did is started later each time."""
    if all(restarts == 0 for restarts in _restarts(kube)):
        return
    kube("-n", NAMESPACE, "rollout", "restart", "daemonset/polypod")
    wait(kube)
    soon(lambda: len(pids()) == 1, "the end of the former agent")


def _restarts(kube: Kube) -> list[int]:
    statuses = [found["status"].get("containerStatuses", []) for found in kube.pods(NAMESPACE)]
    return [container["restartCount"] for status in statuses for container in status]


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
    """Return the process id of the agent that serves, or is about to."""
    found = pids()
    assert found, "no agent runs"
    return found[0]


def pids() -> list[int]:
    """Return the process ids of this cluster's agents, the oldest first."""
    node = here().netns
    found: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            started = int((folder / "stat").read_text().rpartition(")")[2].split()[19])
            is_agent = b"--in-cluster" in words and b"daemon" in words
            # Another cluster of this machine has agents of its own: they are on another network.
            if is_agent and (folder / "ns/net").samefile(node):
                found[int(folder.name)] = started
        except OSError:
            continue
    return sorted(found, key=lambda pid: found[pid])


def metrics(place: Place) -> str:
    """Return what the agent tells Prometheus."""
    address = f"http://{NODE_ADDRESS}:{Values().metrics_port}/metrics"
    command = processes.inside(place, ["busybox", "wget", "-qO-", address])
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout


def requests(place: Place) -> list[dict[str, Any]]:
    """Return what agents asked of the API server so far, as its audit log has it; no watches."""
    lines = place.audit.read_text(encoding="utf-8").splitlines()
    found: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [request for request in found if request["verb"] != "watch"]
