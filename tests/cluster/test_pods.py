"""Pods of a real cluster get the networks that their annotations ask for, and give them back."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from tests.cluster.kube import (
    DEFAULT_NETWORK,
    Kube,
    bridge,
    deployment,
    macvlan,
    network,
    pod,
    soon,
    stateful_set,
)


def test_a_pod_with_three_networks(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "storage", "10.71.0.0/24", isGateway=True),
        macvlan(namespace, "lan", "10.72.0.0/24"),
        bridge(namespace, "plain", "10.73.0.0/24"),
        pod(namespace, "many", "storage,lan@lan0,plain"),
    )
    kube.wait_ready(namespace, "many")

    found = kube.addresses(namespace, "many")
    status = kube.status(namespace, "many")

    assert set(found) == {"eth0", "net1", "lan0", "net3"}
    assert found["net1"][0].startswith("10.71.0.") and found["lan0"][0].startswith("10.72.0.")
    assert [entry["name"] for entry in status] == [
        "primary",
        f"{namespace}/storage",
        f"{namespace}/lan",
        f"{namespace}/plain",
    ]
    assert [entry.get("default", False) for entry in status] == [True, False, False, False]
    assert status[2]["ips"] == [found["lan0"][0].split("/")[0]]


def test_a_fixed_address_and_mac(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "fixed", "10.74.0.0/24", capabilities={"ips": True, "mac": True}),
        pod(
            namespace,
            "one",
            [{"name": "fixed", "ips": ["10.74.0.77/24"], "mac": "02:11:22:33:44:55"}],
        ),
    )
    kube.wait_ready(namespace, "one")

    assert kube.addresses(namespace, "one")["net1"] == ["10.74.0.77/24"]
    assert "02:11:22:33:44:55" in kube.inside(namespace, "one", "ip", "link", "show", "net1")


def test_a_default_route_by_another_network(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "out", "10.75.0.0/24", isGateway=True),
        pod(namespace, "routed", [{"name": "out", "default-route": ["10.75.0.1"]}]),
    )
    kube.wait_ready(namespace, "routed")

    routes = kube.inside(namespace, "routed", "ip", "route").splitlines()

    assert [r for r in routes if r.startswith("default")] == ["default via 10.75.0.1 dev net1 "]


def test_another_default_network(kube: Kube, namespace: str) -> None:
    kube.apply(
        network(
            "kube-system",
            "other-primary",
            type="bridge",
            bridge="t-primary2",
            isGateway=True,
            ipam={
                "type": "host-local",
                "ranges": [[{"subnet": "10.76.0.0/24"}]],
                "routes": [{"dst": "0.0.0.0/0"}],
            },
        ),
        pod(namespace, "moved", "", **{DEFAULT_NETWORK: "other-primary"}),
    )
    kube.wait_ready(namespace, "moved")

    found = kube.addresses(namespace, "moved")

    assert list(found) == ["eth0"] and found["eth0"][0].startswith("10.76.0.")
    got = kube.get(namespace, "pod", "moved")
    assert got is not None and got["status"]["podIP"].startswith("10.76.0.")
    kube("-n", "kube-system", "delete", "net-attach-def", "other-primary")


def test_a_deployment_scales_up_and_down(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "wide", "10.77.0.0/24"),
        deployment(namespace, "web", "wide", 0),
    )

    kube("-n", namespace, "scale", "deployment/web", "--replicas=20")
    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=90s")
    pods = kube.pods(namespace)
    addresses = [
        entry["ips"][0]
        for found in pods
        for entry in kube.status(namespace, found["metadata"]["name"])
        if entry["interface"] == "net1"
    ]
    kube("-n", namespace, "scale", "deployment/web", "--replicas=0")
    soon(lambda: kube.pods(namespace) == [], "no pods", 60)

    assert len(set(addresses)) == 20


def test_a_stateful_pod_made_again_has_its_networks_again(kube: Kube, namespace: str) -> None:
    kube.apply(
        macvlan(namespace, "data", "10.78.0.0/24"),
        stateful_set(namespace, "db", "data"),
    )
    soon(lambda: kube.get(namespace, "pod", "db-0") is not None, "db-0")
    kube.wait_ready(namespace, "db-0")
    first = kube.get(namespace, "pod", "db-0")
    assert first is not None

    kube("-n", namespace, "delete", "pod", "db-0", "--wait=true")
    soon(
        lambda: (
            (kube.get(namespace, "pod", "db-0") or first)["metadata"]["uid"]
            != first["metadata"]["uid"]
        ),
        "a new db-0",
    )
    kube.wait_ready(namespace, "db-0")

    assert "net1" in kube.addresses(namespace, "db-0")


def test_a_static_pod(kube: Kube, namespace: str) -> None:
    kube.apply(bridge(namespace, "static", "10.79.0.0/24"))
    manifest = pod(namespace, "static", "static")
    path = kube.place.static_pods / "static.json"

    path.write_text(json.dumps(manifest))
    try:
        soon(lambda: kube.get(namespace, "pod", "static-node1") is not None, "the mirror pod")
        kube.wait_ready(namespace, "static-node1")
        found = kube.addresses(namespace, "static-node1")
    finally:
        path.unlink()
        soon(lambda: kube.get(namespace, "pod", "static-node1") is None, "the end of the pod")

    assert "net1" in found


def test_a_pod_in_the_hosts_network_is_left_alone(kube: Kube, namespace: str) -> None:
    wanted = pod(namespace, "host", "storage")
    wanted["spec"]["hostNetwork"] = True
    kube.apply(wanted)
    kube.wait_ready(namespace, "host")

    assert "node0" in kube.addresses(namespace, "host")


def test_a_missing_definition_is_told_and_then_found(kube: Kube, namespace: str) -> None:
    kube.apply(pod(namespace, "early", "late"))
    kube.wait_event(namespace, "early", "late")

    kube.apply(bridge(namespace, "late", "10.80.0.0/24"))

    kube.wait_ready(namespace, "early", seconds=60)
    assert "net1" in kube.addresses(namespace, "early")


def test_another_namespaces_network_is_refused(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge("kube-system", "secret", "10.81.0.0/24"),
        pod(namespace, "thief", "kube-system/secret"),
    )

    kube.wait_event(namespace, "thief", "namespace isolation")

    got = kube.get(namespace, "pod", "thief")
    assert got is not None and got["status"]["phase"] == "Pending"
    kube("-n", "kube-system", "delete", "net-attach-def", "secret")


def test_a_global_namespaces_network_is_for_everybody(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge("default", "common", "10.93.0.0/24"), pod(namespace, "guest", "default/common")
    )
    kube.wait_ready(namespace, "guest")

    assert kube.status(namespace, "guest")[1]["name"] == "default/common"
    kube("-n", "default", "delete", "net-attach-def", "common")


@pytest.mark.parametrize("delay_s", [0.0, 0.3])
def test_pods_deleted_while_they_start_leave_nothing(
    kube: Kube, namespace: str, delay_s: float
) -> None:
    kube.apply(
        bridge(namespace, "brief", "10.82.0.0/24"),
        *(pod(namespace, f"brief-{number}", "brief,brief") for number in range(6)),
    )
    time.sleep(delay_s)  # some sandboxes are there by then, and some are not

    kube("-n", namespace, "delete", "pods", "--all", "--wait=true", "--timeout=60s")

    assert kube.pods(namespace) == []


def test_a_pod_deleted_during_its_add_leaves_nothing(
    kube: Kube, plugin: Path, namespace: str
) -> None:
    """The plugin goes after the namespace: the pod's DEL, which comes later, needs it."""
    called = plugin.with_suffix(".called")
    plugin.write_text(
        f"""#!/bin/sh
[ "$CNI_COMMAND" != ADD ] || {{ touch {called}; sleep 5; }}
echo '{{"cniVersion": "1.0.0"}}'
"""
    )
    plugin.chmod(0o755)
    kube.apply(
        bridge(namespace, "quick", "10.94.0.0/24"),
        network(namespace, "slow", type=plugin.name),
        pod(namespace, "doomed", "quick,slow"),
    )
    soon(called.exists, "the ADD of the second network")

    kube("-n", namespace, "delete", "pod", "doomed", "--force", "--grace-period=0")

    soon(lambda: kube.pods(namespace) == [], "the end of the pod")
