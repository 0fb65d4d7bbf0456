"""The node goes down as by a power cut, and comes up: no sandbox, no link, nothing below /run.

The control plane stays up: on a real cluster it is elsewhere. The kernel is the same one, so what
the boot id tells a daemon is up to the caller.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from cluster import life, node, processes
from cluster.place import Place

RUN = (Path("/run/polypod"), Path("/run/cni"))


def cut_power(place: Place) -> None:
    """End everything of the node at once, and what the kernel held of it."""
    for name in ("kubelet", "kube-proxy"):
        processes.stop(place, name, signal.SIGKILL)
    life.end_containers(place)
    processes.stop(place, "containerd", signal.SIGKILL)
    life.unmount(place.root)
    for path in node.pods_left(place):
        subprocess.run(["ip", "netns", "delete", path.name], check=True, timeout=30)
    subprocess.run(processes.inside(place, ["nft", "flush", "ruleset"]), check=True, timeout=30)
    for link in _links(place):
        command = processes.inside(place, ["ip", "link", "delete", link])
        subprocess.run(command, capture_output=True, check=False, timeout=30)
    for folder in (*RUN, place.root / "containerd" / "state"):
        shutil.rmtree(folder, ignore_errors=True)


def start(place: Place) -> None:
    """Start the node again, with the disk as it was."""
    node.start_runtime(place)
    node.start_kubelet(place)


def _links(place: Place) -> list[str]:
    """Return every link but those that a node is born with."""
    command = processes.inside(place, ["ip", "-o", "link"])
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    names = [line.split(": ")[1].partition("@")[0] for line in said.splitlines()]
    return [name for name in names if name not in {"lo", "node0"}]
