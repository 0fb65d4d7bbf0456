"""The manifests of the Talos guide do on a real cluster what the guide says.

What Talos makes of its machine configuration is made here by hand: a card, and a bridge. ipvlan
needs another kernel (`./dev vm`): of its manifest only the API server's opinion is asked.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import processes
from cluster.place import Place
from tests.cluster import agent
from tests.cluster.kube import Kube, Object, soon, spec

FOLDER = Path(__file__).parents[2] / "examples" / "talos"
LINKS = ("enp1s0", "br50")
PLAIN = sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "virtual-machine.yaml")


with_links = pytest.mark.usefixtures("links")


@pytest.fixture
def links(place: Place) -> Iterator[None]:
    """Make the node's links that the guide's networks use."""
    for name in LINKS:
        _ip(place, "link", "add", name, "type", "bridge")
        # Without an address of its own: that one's routes come a second later.
        _ip(place, "link", "set", name, "addrgenmode", "none")
        _ip(place, "link", "set", name, "up")
    yield
    for name in LINKS:
        _ip(place, "link", "delete", name)


def _ip(place: Place, *words: str) -> None:
    command = processes.inside(place, ["ip", *words])
    subprocess.run(command, capture_output=True, check=True, timeout=10)


def of(name: str, namespace: str) -> list[Object]:
    """Return a file's objects, with the image that the cluster has."""
    found: list[Any] = list(yaml.safe_load_all((FOLDER / name).read_text(encoding="utf-8")))
    for thing in found:
        thing["metadata"]["namespace"] = namespace
        part = thing["spec"].get("template", {}).get("spec", thing["spec"])
        if "containers" in part:
            part |= spec()
    return found


@with_links
def test_a_pod_on_the_lan_by_macvlan(kube: Kube, namespace: str) -> None:
    kube.apply(*of("macvlan.yaml", namespace))

    kube.wait_ready(namespace, "camera")

    assert kube.addresses(namespace, "camera")["net1"] == ["192.168.1.50/24"]
    assert "02:00:00:00:01:50" in kube.inside(namespace, "camera", "ip", "link", "show", "net1")


@with_links
def test_a_bridge_of_the_node_keeps_what_it_was(kube: Kube, place: Place, namespace: str) -> None:
    kube.apply(*of("bridge-vlan.yaml", namespace))

    kube.wait_ready(namespace, "shop")

    shown = processes.inside(place, ["ip", "-j", "-d", "link", "show", "br50"])
    text = subprocess.run(shown, capture_output=True, text=True, check=True, timeout=10).stdout
    assert json.loads(text)[0]["linkinfo"]["info_data"]["vlan_filtering"] == 0
    assert kube.addresses(namespace, "shop")["net1"] == ["10.50.0.50/24"]


@with_links
def test_a_deployment_keeps_its_address_when_it_is_made_again(kube: Kube, namespace: str) -> None:
    network, *_ = of("bridge-vlan.yaml", namespace)
    kube.apply(network, *of("deployment.yaml", namespace))
    kube("-n", namespace, "rollout", "status", "deployment/resolver", "--timeout=60s")

    kube("-n", namespace, "rollout", "restart", "deployment/resolver")
    kube("-n", namespace, "rollout", "status", "deployment/resolver", "--timeout=60s")

    soon(lambda: len(kube.pods(namespace)) == 1, "the first pod is gone")
    (pod,) = kube.pods(namespace)
    assert kube.addresses(namespace, pod["metadata"]["name"])["net1"] == ["10.50.0.53/24"]


def test_the_cluster_says_what_it_is(kube: Kube, place: Place, namespace: str) -> None:
    kube.apply(idle_daemon_set(namespace, "kube-flannel"))

    ran = agent.render(place)

    assert "detected platform: kubeadm (1 nodes:" in ran.stderr
    assert f"detected primary: flannel (DaemonSet {namespace}/kube-flannel)" in ran.stderr
    assert "--conf-dir=/etc/cni/net.d" in ran.stdout


def idle_daemon_set(namespace: str, name: str) -> Object:
    """Return a DaemonSet that no node is chosen for."""
    labels = {"app": name}
    part = spec() | {"nodeSelector": {"no-such-node": "true"}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": part},
        },
    }


@pytest.mark.parametrize("name", PLAIN)
def test_the_api_server_takes_every_manifest(kube: Kube, namespace: str, name: str) -> None:
    words = ("-n", namespace, "apply", "--dry-run=server", "--validate=strict", "-f")

    said = kube(*words, str(FOLDER / name))

    assert "created (server dry run)" in said
