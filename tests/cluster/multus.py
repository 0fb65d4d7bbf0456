"""The reference meta-plugin, thick, on the test cluster: its image, its manifests, its files."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from cluster import build, images, versions
from cluster.place import Place
from tests.cluster.kube import Kube, Object, soon

from polypod.install.crd import crd

IMAGE = f"localhost/multus-cni:{versions.MULTUS}"
NAMESPACE = "kube-system"
NAME = "kube-multus-ds"
CACHE = Path("/var/lib/cni/multus")
DAEMON = "/usr/src/multus-cni/bin/multus-daemon"


def load_image(place: Place) -> None:
    """Build the reference from its Go module unless that was done, and import it as an image."""
    build.build(build.multus())
    image = images.Image(
        name=IMAGE,
        files={
            DAEMON.lstrip("/"): (versions.multus() / "multus-daemon").read_bytes(),
            "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",  # it looks itself up
        },
        links={"var/run": "/run"},
    )
    archive = place.root / "multus.tar"
    images.write(image, archive)
    ctr = ["ctr", "--address", str(place.containerd), "--namespace", "k8s.io"]
    imported = [*ctr, "images", "import", str(archive)]
    subprocess.run(imported, capture_output=True, check=True, timeout=120)
    archive.unlink()


def install(kube: Kube, place: Place, **settings: object) -> None:
    """Place the shim, apply the DaemonSet, and wait for the node's configuration."""
    shutil.copy2(versions.multus() / "multus-shim", place.cni_bin / "multus-shim")
    kube.apply(crd(), *_objects(place, settings))
    wait(kube, place)


def wait(kube: Kube, place: Place) -> None:
    """Wait until Multus attaches pods."""
    try:
        kube("-n", NAMESPACE, "rollout", "status", f"daemonset/{NAME}", "--timeout=60s")
    except AssertionError as error:
        error.add_note(kube("-n", NAMESPACE, "logs", f"daemonset/{NAME}", "--tail=20"))
        raise
    soon((place.cni_conf / "00-multus.conf").exists, "Multus's configuration")


def uninstall(kube: Kube, place: Place) -> None:
    """Take everything of it away."""
    kube("-n", NAMESPACE, "delete", "daemonset", NAME, "--ignore-not-found", "--wait=true")
    kube("-n", NAMESPACE, "delete", "configmap", "multus-daemon-config", "--ignore-not-found")
    kube("delete", "clusterrolebinding,clusterrole", "multus", "--ignore-not-found")
    for path in (*place.cni_conf.glob("00-multus.conf*"), place.cni_bin / "multus-shim"):
        path.unlink(missing_ok=True)
    shutil.rmtree(CACHE, ignore_errors=True)


def sandboxes() -> list[str]:
    """Return what Multus keeps of its pods."""
    return sorted(path.name for path in CACHE.glob("*") if path.is_file())


def results() -> list[str]:
    """Return what libcni keeps of them, Multus's and the runtime's."""
    found = [*CACHE.glob("results/*"), *Path("/var/lib/cni/results").glob("multus-cni-network-*")]
    return sorted(path.name for path in found)


def _objects(place: Place, settings: dict[str, object]) -> list[Object]:
    account = {"kind": "ServiceAccount", "name": "multus", "namespace": NAMESPACE}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "multus"}
    rbac = "rbac.authorization.k8s.io/v1"
    daemon = {
        "chrootDir": "/hostroot",
        "cniVersion": "0.3.1",
        "logLevel": "verbose",
        "logToStderr": True,
        "cniConfigDir": "/host/etc/cni/net.d",
        "multusAutoconfigDir": "/host/etc/cni/net.d",
        "multusConfigFile": "auto",
        "socketDir": "/host/run/multus/",
        "binDir": str(place.cni_bin),
        **settings,
    }
    config = {"daemon-config.json": json.dumps(daemon)}
    meta = {"namespace": NAMESPACE}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "multus", **meta}},
        {
            "apiVersion": rbac,
            "kind": "ClusterRole",
            "metadata": {"name": "multus"},
            "rules": [
                {"apiGroups": ["k8s.cni.cncf.io"], "resources": ["*"], "verbs": ["*"]},
                {
                    "apiGroups": [""],
                    "resources": ["pods", "pods/status"],
                    "verbs": ["get", "list", "update", "watch"],
                },
                {
                    "apiGroups": ["", "events.k8s.io"],
                    "resources": ["events"],
                    "verbs": ["create", "patch", "update"],
                },
            ],
        },
        {
            "apiVersion": rbac,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "multus"},
            "roleRef": role,
            "subjects": [account],
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "multus-daemon-config", **meta},
            "data": config,
        },
        _daemon_set(place),
    ]


def _daemon_set(place: Place) -> Object:
    inwards = "HostToContainer"
    folders = (
        ("cni", str(place.cni_conf), "/host/etc/cni/net.d", ""),
        ("cnibin", str(place.cni_bin), str(place.cni_bin), ""),
        ("host-run", "/run", "/host/run", ""),
        ("data", str(CACHE), str(CACHE), ""),
        ("kubelet", str(place.kubelet / "root"), "/var/lib/kubelet", ""),
        ("netns", "/run/netns", "/run/netns", inwards),
        ("root", "/", "/hostroot", ""),
        # A machine whose / is a private mount shows no later one in it: here they come.
        ("root-netns", "/run/netns", "/hostroot/run/netns", inwards),
    )
    volumes: list[Object] = [
        {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
        for name, path, _, _ in folders
    ]
    mounts: list[Object] = [
        {"name": name, "mountPath": inside} | ({"mountPropagation": how} if how else {})
        for name, _, inside, how in folders
    ]
    volumes.append({"name": "config", "configMap": {"name": "multus-daemon-config"}})
    mounts.append({"name": "config", "mountPath": "/etc/cni/net.d/multus.d", "readOnly": True})
    node = {"name": "MULTUS_NODE_NAME", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}
    container = {
        "name": "kube-multus",
        "image": IMAGE,
        "imagePullPolicy": "Never",
        "command": [DAEMON],
        "env": [node],
        "securityContext": {"privileged": True},
        "volumeMounts": mounts,
    }
    labels = {"name": "multus"}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": NAME, "namespace": NAMESPACE, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "serviceAccountName": "multus",
                    "hostNetwork": True,
                    "tolerations": [{"operator": "Exists"}],
                    "terminationGracePeriodSeconds": 10,
                    "containers": [container],
                    "volumes": volumes,
                },
            },
        },
    }
