"""What a pod's owner reads with `kubectl describe`: interfaces, or why there is none."""

from __future__ import annotations

from tests.cluster.kube import Kube, bridge, pod, soon


def test_a_network_that_is_missing_is_told_until_it_is_there(kube: Kube, namespace: str) -> None:
    kube.apply(pod(namespace, "early", "late"))

    soon(lambda: "NoNetworkFound" in reasons(kube, namespace, "early"), "NoNetworkFound")
    kube.apply(bridge(namespace, "late", "10.92.0.0/24"))
    kube.wait_ready(namespace, "early", seconds=100)

    soon(lambda: "AddedInterface" in reasons(kube, namespace, "early"), "AddedInterface")
    told = {event["reason"]: event for event in kube.events(namespace, "early")}
    assert told["NoNetworkFound"]["message"].startswith(
        f"cannot find a network-attachment-definition (late) in namespace ({namespace}): "
    )
    assert told["NoNetworkFound"]["source"]["component"] == "polypod"


def test_each_interface_is_told_once(kube: Kube, namespace: str) -> None:
    kube.apply(
        bridge(namespace, "one", "10.93.0.0/24"),
        bridge(namespace, "two", "10.94.0.0/24"),
        pod(namespace, "many", "one,two"),
    )
    kube.wait_ready(namespace, "many")
    addresses = {name: found[0] for name, found in kube.addresses(namespace, "many").items()}

    soon(lambda: reasons(kube, namespace, "many").count("AddedInterface") == 3, "three events")

    told = {event["message"] for event in kube.events(namespace, "many")}
    assert {
        f"Add eth0 [{addresses['eth0']}] from primary",
        f"Add net1 [{addresses['net1']}] from {namespace}/one",
        f"Add net2 [{addresses['net2']}] from {namespace}/two",
    } <= told


def test_a_failure_is_told_with_what_can_be_done(kube: Kube, namespace: str) -> None:
    kube.apply(pod(namespace, "far", "kube-system/anything"))

    soon(lambda: "InvalidAnnotationError" in reasons(kube, namespace, "far"), "the failure")

    (told,) = [
        event
        for event in kube.events(namespace, "far")
        if event["reason"] == "InvalidAnnotationError"
    ]
    assert told["type"] == "Warning"
    assert "namespace isolation enabled" in told["message"]
    assert "hint: copy the definition into the pod's namespace" in told["message"]


def reasons(kube: Kube, namespace: str, name: str) -> list[str]:
    """Return the reasons of a pod's events."""
    return [event["reason"] for event in kube.events(namespace, name)]
