"""The reference meta-plugin on the test cluster: thin, a program, or thick, a DaemonSet."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from cluster import build, images, jobs, node, pki, versions
from cluster.place import Place
from tests.cluster.kube import Kube, Object, soon

from polypod.install.crd import crd

CONF = "00-multus.conf"
CACHE = Path("/var/lib/cni/multus")
SETTINGS = {"namespaceIsolation": True, "globalNamespaces": "default,shared"}
NAMESPACE, LABELS = "kube-system", {"app": "multus"}
NAME = {"name": "kube-multus-ds", "namespace": NAMESPACE, "labels": LABELS}


def in_file(kube: Kube, place: Place) -> None:
    """Install the thin form, to which the primary is the node's file: as its entry point has it.

    Of a list in a file 4.3.0 tells a DEL only what is common to all plugins. The reference's bridge
    then does not find its addresses, and such a pod does not end by Multus.
    """
    _thin(kube, place, {"clusterNetwork": str(place.cni_conf / node.PRIMARY)})


def written_out(kube: Kube, place: Place) -> None:
    """Install the thin form with the primary copied into its own configuration."""
    primary = json.loads((place.cni_conf / node.PRIMARY).read_text("utf-8"))
    _thin(kube, place, {"delegates": [primary]})


def thick(kube: Kube, place: Place) -> None:
    """Install the daemon as its own manifests do; the primary is the node's file."""
    build.build(jobs.multus_thick())
    shutil.copy2(versions.multus() / "multus-shim", place.cni_bin / "multus-shim")
    programs = place.root / "multus"
    programs.mkdir(exist_ok=True)
    shutil.copy2(versions.multus() / "multus-daemon", programs / "multus-daemon")
    kube.apply(crd(), *_rights(), _config_map(place), _daemon_set(place, programs))
    soon((place.cni_conf / CONF).exists, "Multus's configuration")


def uninstall(kube: Kube, place: Place) -> None:
    """Take everything of it away."""
    everything = "daemonset,configmap,serviceaccount,clusterrolebinding"
    kube("-n", NAMESPACE, "delete", everything, "-l", "app=multus", "--cascade=foreground")
    for path in (*place.cni_conf.glob(f"{CONF}*"), *place.cni_bin.glob("multus*")):
        path.unlink(missing_ok=True)
    for folder in (CACHE, place.root / "multus", Path("/run/multus")):
        shutil.rmtree(folder, ignore_errors=True)


def sandboxes() -> list[str]:
    """Return what Multus keeps of its pods."""
    return sorted(path.name for path in CACHE.glob("*") if path.is_file())


def results() -> list[str]:
    """Return what libcni keeps of them, Multus's and the runtime's."""
    found = [*CACHE.glob("results/*"), *Path("/var/lib/cni/results").glob("multus-cni-network-*")]
    return sorted(path.name for path in found)


def _thin(kube: Kube, place: Place, primary: dict[str, object]) -> None:
    build.build(jobs.multus())
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
        **SETTINGS,
    }
    fresh = place.cni_conf / ".multus.new"
    fresh.write_text(json.dumps(config), encoding="utf-8")
    fresh.rename(place.cni_conf / CONF)


def _rights() -> tuple[Object, Object]:
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "multus", "labels": LABELS},
        "roleRef": {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": "cluster-admin",
        },
        "subjects": [{"kind": "ServiceAccount", "name": NAME["name"], "namespace": NAMESPACE}],
    }
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": NAME}, binding


def _config_map(place: Place) -> Object:
    config = {
        "chrootDir": "/hostroot",
        "cniVersion": "1.0.0",
        "binDir": str(place.cni_bin),
        "logLevel": "verbose",
        "logToStderr": True,
        "cniConfigDir": "/host/etc/cni/net.d",
        "multusAutoconfigDir": "/host/etc/cni/net.d",
        "multusConfigFile": "auto",
        "socketDir": "/host/run/multus/",
        **SETTINGS,
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": NAME,
        "data": {"daemon-config.json": json.dumps(config)},
    }


def _daemon_set(place: Place, programs: Path) -> Object:
    """Return it with the volumes of its own manifests; the program comes from the node."""
    folders = {
        "programs": (str(programs), "/usr/src/multus-cni/bin"),
        "cni": (str(place.cni_conf), "/host/etc/cni/net.d"),
        "cnibin": (str(place.cni_bin), str(place.cni_bin)),
        "host-run": ("/run", "/host/run"),
        "host-var-lib-cni-multus": (str(CACHE), str(CACHE)),
        "host-run-k8s-cni-cncf-io": ("/run/k8s.cni.cncf.io", "/run/k8s.cni.cncf.io"),
        "hostroot": ("/", "/hostroot"),
    }
    mounts = [{"name": name, "mountPath": inside} for name, (_, inside) in folders.items()]
    # Its image has /var/run lead to /run; its manifest wants a root with shared mounts.
    mounts += [
        {"name": "host-run-netns", "mountPath": path, "mountPropagation": "HostToContainer"}
        for path in ("/var/run/netns", "/hostroot/run/netns")
    ]
    paths = {name: path for name, (path, _) in folders.items()} | {"host-run-netns": "/run/netns"}
    volumes: list[dict[str, Any]] = [
        {"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}}
        for name, path in paths.items()
    ]
    container = {
        "name": "kube-multus",
        "image": images.BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["/usr/src/multus-cni/bin/multus-daemon"],
        "securityContext": {"privileged": True},
        # It asks who it is, and this image has no /etc/passwd.
        "env": [{"name": "USER", "value": "root"}, {"name": "HOME", "value": "/"}],
        "volumeMounts": [*mounts, {"name": "config", "mountPath": "/etc/cni/net.d/multus.d"}],
    }
    spec = {
        "hostNetwork": True,
        "hostPID": True,
        "serviceAccountName": NAME["name"],
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 10,
        "containers": [container],
        "volumes": [*volumes, {"name": "config", "configMap": {"name": NAME["name"]}}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": NAME,
        "spec": {
            "selector": {"matchLabels": LABELS},
            "template": {"metadata": {"labels": LABELS}, "spec": spec},
        },
    }
