"""Brings the cluster up and takes it down: it lives in one network namespace and one folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from cluster import build, control_plane, jobs, node, pki, processes, versions
from cluster.place import NODE_ADDRESS, Place, first

NEEDED = ("etcd", "containerd", "runc", "ctr", "ip", "nft", "iptables", "openssl", "nsenter")
PACKAGES = "containerd runc etcd-server iproute2 nftables iptables busybox-static openssl"


def check_tools() -> None:
    """End with one sentence when the distribution's part is missing."""
    missing = [name for name in (*NEEDED, "busybox") if shutil.which(name) is None]
    if os.geteuid() != 0:
        raise SystemExit("the cluster needs root: it makes a network namespace and runs containerd")
    if missing:
        raise SystemExit(f"missing: {' '.join(missing)} (Debian: apt-get install {PACKAGES})")


def make_programs() -> None:
    """Build what is not in the cache."""
    for name in ("plugins", "kubernetes"):
        build.build(jobs.JOBS[name]())


def up(place: Place, *, with_node: bool = True) -> None:
    """Start the cluster, or only its control plane; what runs already stays."""
    check_tools()
    make_programs()
    place.root.mkdir(parents=True, exist_ok=True)
    make_namespace(place)
    control_plane.make_credentials(place)
    _start(place, "etcd", "etcd", control_plane.start_etcd)
    _start(place, "kube-apiserver", "API server", control_plane.start_api_server)
    if not with_node:
        return
    _start(place, "kube-scheduler", "controllers", control_plane.start_controllers)
    _start(place, "containerd", "containerd", node.start_runtime)
    _start(place, "kubelet", "kubelet", node.start_kubelet)
    processes.wait(place, "Ready node", lambda: node.is_ready(place))


def _start(place: Place, program: str, what: str, start: Callable[[Place], None]) -> None:
    if processes.pid_of(place, program) is None:
        processes.tell(what)
        start(place)


def make_namespace(place: Place) -> None:
    """Make the network namespace, with an address for the node that is not loopback."""
    if not place.netns.exists():
        _ip("netns", "add", place.namespace)
    for words in (
        ("link", "set", "lo", "up"),
        ("link", "add", "node0", "type", "bridge"),
        ("address", "replace", f"{NODE_ADDRESS}/24", "dev", "node0"),
        ("link", "set", "node0", "up"),
        # Service addresses must be routed somewhere before kube-proxy's rules rewrite them.
        ("route", "replace", "default", "dev", "node0"),
    ):
        subprocess.run(
            processes.inside(place, ["ip", *words]), capture_output=True, check=False, timeout=10
        )
    forward = ["sysctl", "-qw", "net.ipv4.ip_forward=1"]
    subprocess.run(processes.inside(place, forward), check=True, timeout=10)


def down(place: Place) -> None:
    """Stop everything and remove what it left: pods, mounts, cgroups, links, files."""
    for name in ("kubelet", "kube-proxy", "kube-scheduler", "kube-controller-manager"):
        processes.stop(place, name)
    if processes.pid_of(place, "containerd") is not None:
        end_containers(place)
    for name in ("containerd", "kube-apiserver", "etcd"):
        processes.stop(place, name)
    unmount(place.root)
    if place.kubelet.exists():  # a control plane alone has no pods, and may run beside a cluster
        for path in node.pods_left(place):
            _ip("netns", "delete", path.name)
        _remove_cgroups(place)
    if place.netns.exists():
        _quietly(["umount", "--lazy", str(place.netns)])
        place.netns.unlink()  # also one of which only the file is left
    shutil.rmtree(place.root, ignore_errors=True)


def restart_watchers(place: Place) -> None:
    """Start anew who watches an API server that was away: each would wait by its own back-off."""
    for name in ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy"):
        processes.stop(place, name)
    control_plane.start_controllers(place)
    node.start_kubelet(place)


def kubectl(place: Place, *words: str) -> list[str]:
    """Return a kubectl command that runs inside the cluster's namespace as its administrator."""
    admin = f"--kubeconfig={pki.kubeconfig(place.pki, 'admin')}"
    return processes.inside(place, [place.program("kubectl"), admin, *words])


def environment(place: Place) -> dict[str, str]:
    """Return what a command inside the cluster needs: PATH and KUBECONFIG."""
    path = ":".join([str(versions.kubernetes()), str(versions.tools()), os.environ["PATH"]])
    return os.environ | {"PATH": path, "KUBECONFIG": str(pki.kubeconfig(place.pki, "admin"))}


def end_containers(place: Place) -> None:
    """Kill every container and forget its task."""
    ctr = ["ctr", "--address", str(place.containerd), "--namespace", "k8s.io"]
    for _ in range(50):
        left = _lines([*ctr, "tasks", "list", "-q"])
        for task in left:
            _quietly([*ctr, "tasks", "kill", "--signal", "KILL", task])
            _quietly([*ctr, "tasks", "delete", "--force", task])
        if not left:
            return
        time.sleep(0.1)


def unmount(root: Path) -> None:
    """Take away every mount below a folder."""
    with Path("/proc/self/mounts").open(encoding="utf-8") as file:
        places = [line.split()[1] for line in file]
    for mounted in sorted((p for p in places if p.startswith(f"{root}/")), reverse=True):
        _quietly(["umount", "--lazy", mounted])


def _remove_cgroups(place: Place) -> None:
    """Remove the empty cgroups of pods, the deepest first, and those that hold a second cluster's.

    Version 1 has one hierarchy a controller, version 2 a single one.
    """
    found = [p for p in node.CGROUPS.glob("**/kubepods*") if p.is_dir()]
    if place != first():
        tops = (node.CGROUPS, *node.CGROUPS.iterdir())
        found += [top / place.namespace for top in tops if (top / place.namespace).is_dir()]
    inner = [p for top in found for p in top.rglob("*") if p.is_dir()]
    for folder in sorted({*found, *inner}, key=lambda p: len(p.parts), reverse=True):
        try:
            folder.rmdir()
        except OSError:
            continue


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], capture_output=True, check=True, timeout=30)


def _lines(command: list[str]) -> list[str]:
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    return ran.stdout.split()


def _quietly(command: list[str]) -> None:
    subprocess.run(command, capture_output=True, check=False, timeout=30)
