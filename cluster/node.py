"""The node: containerd with runc, kubelet and kube-proxy.

What differs from a common node: no CAP_SYS_RESOURCE is needed (restrict_oom_score_adj), and a
host with the older cgroups serves too.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

from cluster import images, pki, processes, versions
from cluster.containerd import Containerd
from cluster.place import NODE, NODE_ADDRESS, PODS, RUNTIME_METRICS, Place, first

PRIMARY = "10-primary.conflist"
CGROUPS = Path("/sys/fs/cgroup")


def start_runtime(place: Place) -> None:
    """Start containerd, with the tests' images and a primary network of reference plugins."""
    for folder in (place.cni_bin, place.cni_conf, place.cni_primary, place.root / "containerd"):
        folder.mkdir(parents=True, exist_ok=True)
    for plugin in sorted(versions.reference_plugins().iterdir()):
        if not (place.cni_bin / plugin.name).exists():
            shutil.copy2(plugin, place.cni_bin / plugin.name)
    for folder in (place.cni_conf, place.cni_primary):
        write_primary(place, folder)
    config = place.root / "containerd" / "config.toml"
    config.write_text(_containerd(place).config(), encoding="utf-8")
    processes.start(
        place, "containerd", [os.environ.get("CONTAINERD", "containerd"), "-c", str(config)]
    )
    ctr = ["ctr", "--address", str(place.containerd)]
    processes.wait(place, "containerd", lambda: processes.succeeds(place, [*ctr, "version"]))
    for archive in images.archives(place.root / "images"):
        command = [*ctr, "--namespace", "k8s.io", "images", "import", str(archive)]
        subprocess.run(
            processes.inside(place, command), capture_output=True, check=True, timeout=120
        )


def write_primary(place: Place, folder: Path) -> None:
    """Write the primary network's configuration unless the folder has one."""
    path = folder / PRIMARY
    if any(folder.iterdir()):
        return
    plugins = [
        {
            "type": "bridge",
            "bridge": "cni0",
            "isGateway": True,
            # No ipMasq: its DEL leaves the rules when the pod's namespace is gone already.
            "ipam": {
                "type": "host-local",
                "dataDir": str(place.root / "ipam"),
                "ranges": [[{"subnet": PODS}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        },
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ]
    content = {"cniVersion": "1.0.0", "name": "primary", "plugins": plugins}
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _containerd(place: Place) -> Containerd:
    return Containerd(
        root=place.root,
        sandbox_image=images.PAUSE,
        cni_bin=place.cni_bin,
        cni_conf=place.cni_conf,
        cni_primary=place.cni_primary,
        metrics=RUNTIME_METRICS,
    )


def start_kubelet(place: Place) -> None:
    """Start kubelet and kube-proxy, and wait for a Ready node."""
    place.static_pods.mkdir(parents=True, exist_ok=True)
    place.kubelet.mkdir(parents=True, exist_ok=True)
    config = place.kubelet / "config.json"
    config.write_text(json.dumps(_kubelet_config(place), indent=2), encoding="utf-8")
    processes.start(
        place,
        "kubelet",
        [
            place.program("kubelet"),
            f"--config={config}",
            f"--kubeconfig={pki.kubeconfig(place.pki, 'node')}",
            f"--hostname-override={NODE}",
            f"--node-ip={NODE_ADDRESS}",
            f"--root-dir={place.kubelet / 'root'}",
        ],
    )
    processes.start(
        place,
        "kube-proxy",
        [
            place.program("kube-proxy"),
            f"--kubeconfig={pki.kubeconfig(place.pki, 'proxy')}",
            f"--hostname-override={NODE}",
            "--proxy-mode=nftables",
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
        ],
    )


def is_ready(place: Place) -> bool:
    """Tell whether the node is Ready and pods can be created."""
    ready = '{.status.conditions[?(@.type=="Ready")].status}'
    command = [place.program("kubectl"), "get", "node", NODE, "-o", f"jsonpath={ready}"]
    environment = os.environ | {"KUBECONFIG": str(pki.kubeconfig(place.pki, "admin"))}
    ran = subprocess.run(
        processes.inside(place, command),
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    account = [place.program("kubectl"), "-n", "default", "get", "serviceaccount", "default"]
    return ran.stdout == "True" and processes.succeeds(place, account, dict(environment))


def _kubelet_config(place: Place) -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": _cgroup(place),
        "containerRuntimeEndpoint": f"unix://{place.containerd}",
        "staticPodPath": str(place.static_pods),
        # Not the machine's own folder: a kubelet empties it of pods that it does not know.
        "podLogsDir": str(place.logs / "pods"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(place.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "clusterDomain": "cluster.local",
        "makeIPTablesUtilChains": False,
        "enforceNodeAllocatable": ["pods"],
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "maxPods": 250,
        "registerNode": True,
    }


def _cgroup(place: Place) -> str:
    """Return the cgroup below which pods are: a second cluster of a machine has its own."""
    if place == first():
        return "/"
    for controllers in CGROUPS.iterdir():
        if (controllers / "tasks").exists():
            (controllers / place.namespace).mkdir(exist_ok=True)
    return f"/{place.namespace}"


def pods_left(place: Place) -> list[Path]:
    """Return the network namespaces of pods."""
    del place
    return sorted(Path("/run/netns").glob("cni-*"))
