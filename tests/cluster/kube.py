"""kubectl for tests: objects in, objects out, and waits with an end."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from typing import Any

from cluster import images, life
from cluster.place import Place

Object = dict[str, Any]
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"
_numbers = itertools.count(1)


def soon(holds: Callable[[], bool], what: str, seconds: float = 40) -> None:
    """Wait until something holds, and fail when it does not come about."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.1)


class Kube:
    """One cluster, as its administrator."""

    def __init__(self, place: Place) -> None:
        self.place = place

    def __call__(self, *words: str, stdin: str = "", code: int = 0) -> str:
        ran = subprocess.run(
            life.kubectl(self.place, *words),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            env=os.environ | {"KUBECACHEDIR": str(self.place.root / "kubectl")},
        )
        assert ran.returncode == code, (words, ran.stdout, ran.stderr)
        return ran.stdout

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self("apply", "-f", "-", stdin=text)

    def get(self, namespace: str, kind: str, name: str) -> Object | None:
        """Return an object, None when there is none."""
        words = ("-n", namespace, "get", kind, name, "-o", "json", "--ignore-not-found")
        text = self(*words)
        return json.loads(text) if text else None

    def pods(self, namespace: str) -> list[Object]:
        """Return a namespace's pods."""
        found: list[Object] = json.loads(self("-n", namespace, "get", "pods", "-o", "json"))[
            "items"
        ]
        return found

    def make_namespace(self) -> str:
        """Make a namespace whose pods can start at once."""
        name = f"case-{next(_numbers)}"
        self("create", "namespace", name)
        soon(
            lambda: self.get(name, "serviceaccount", "default") is not None,
            "the default service account",
        )
        return name

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace, and wait until its pods are gone; its empty rest may take longer."""
        owners = "deployments,statefulsets,pods"
        self("-n", name, "delete", owners, "--all", "--cascade=foreground", "--timeout=100s")
        soon(lambda: not self.pods(name), f"the end of the pods of {name}")
        self("delete", "namespace", name, "--wait=false")

    def wait_ready(self, namespace: str, *names: str, seconds: int = 40) -> None:
        """Wait until pods are ready; show what the cluster says of them when they are not."""
        pods = [f"pod/{name}" for name in names]
        words = ("wait", "--for=condition=Ready", *pods, f"--timeout={seconds}s")
        try:
            self("-n", namespace, *words)
        except AssertionError as error:
            error.add_note(self("-n", namespace, "describe", "pods"))
            error.add_note(self("-n", "polypod-system", "logs", "daemonset/polypod", "--tail=40"))
            raise

    def inside(self, namespace: str, pod: str, *command: str) -> str:
        """Run a command in a pod."""
        return self("-n", namespace, "exec", pod, "--", *command)

    def addresses(self, namespace: str, pod: str) -> dict[str, list[str]]:
        """Return a pod's IPv4 addresses by interface."""
        return by_interface(self.inside(namespace, pod, "ip", "-o", "-4", "addr"))

    def status(self, namespace: str, pod: str) -> list[Object]:
        """Return a pod's network-status, once it is there."""
        found: list[list[Object]] = []

        def is_there() -> bool:
            got = self.get(namespace, "pod", pod) or {}
            text = got.get("metadata", {}).get("annotations", {}).get(STATUS)
            if text:
                found.append(json.loads(text))
            return bool(text)

        soon(is_there, f"network-status of {pod}")
        return found[-1]

    def wait_event(self, namespace: str, name: str, *words: str, seconds: float = 40) -> None:
        """Wait for an event of an object whose reason or message holds the words."""

        def is_there() -> bool:
            told = [f"{e.get('reason')} {e.get('message')}" for e in self.events(namespace, name)]
            return any(all(word in text for word in words) for text in told)

        soon(is_there, f"an event of {name} with {words}", seconds)

    def events(self, namespace: str, pod: str) -> list[Object]:
        """Return the events of an object."""
        text = self("-n", namespace, "get", "events", "-o", "json")
        return [e for e in json.loads(text)["items"] if e["involvedObject"]["name"] == pod]


def by_interface(text: str) -> dict[str, list[str]]:
    """Return what `ip -o -4 addr` says, loopback left out."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        found.setdefault(words[1], []).append(words[3])
    found.pop("lo", None)
    return found


def pod(namespace: str, name: str, networks: object = "", **annotations: str) -> Object:
    """Return a pod that waits, with networks."""
    text = networks if isinstance(networks, str) else json.dumps(networks)
    given = ({NETWORKS: text} if text else {}) | annotations
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": given,
            "labels": {"app": name},
        },
        "spec": spec(),
    }


def spec() -> Object:
    """Return the part of a pod that says what runs in it."""
    container = {
        "name": "c",
        "image": images.BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; sleep 100000 & wait"],
    }
    return {
        "containers": [container],
        "terminationGracePeriodSeconds": 2,
        "automountServiceAccountToken": False,
    }


def deployment(namespace: str, name: str, network: str, replicas: int) -> Object:
    """Return a deployment whose pods have one more network."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"replicas": replicas, **_set(name, network)},
    }


def stateful_set(namespace: str, name: str, network: str) -> Object:
    """Return a stateful set of one pod with one more network."""
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"replicas": 1, "serviceName": name, **_set(name, network)},
    }


def _set(name: str, network: str) -> Object:
    labels = {"app": name}
    template = {"metadata": {"labels": labels, "annotations": {NETWORKS: network}}, "spec": spec()}
    return {"selector": {"matchLabels": labels}, "template": template}


def network(namespace: str, name: str, **config: object) -> Object:
    """Return a network definition."""
    text = json.dumps({"cniVersion": "1.0.0", **config})
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"config": text},
    }


def bridge(namespace: str, name: str, subnet: str, **more: object) -> Object:
    """Return a bridge network with host-local addresses."""
    return network(
        namespace, name, type="bridge", bridge=f"t-{name}", ipam=host_local(subnet), **more
    )


def macvlan(namespace: str, name: str, subnet: str) -> Object:
    """Return a macvlan network on the node's own link."""
    return network(namespace, name, type="macvlan", master="node0", ipam=host_local(subnet))


def host_local(subnet: str) -> Object:
    """Return an address pool."""
    return {"type": "host-local", "ranges": [[{"subnet": subnet}]]}
