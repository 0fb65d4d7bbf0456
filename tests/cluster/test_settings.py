"""An operator's settings on a real cluster: by the rendered ConfigMap; and a wrong one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster.place import Place
from tests.cluster import agent, releases
from tests.cluster.kube import Kube, bridge, pod, soon


@pytest.fixture
def put_back(kube: Kube, place: Place, namespace: str) -> Iterator[None]:
    """Give the agent its usual settings after a case."""
    del namespace  # made before, and deleted after
    yield
    agent.install(kube, place)


@pytest.fixture
def mended(kube: Kube, place: Place, namespace: str) -> Iterator[None]:
    """Give the agent its usual settings, and have a new one: who ends is started ever later."""
    del namespace  # as above
    yield
    usual = agent.polypod("install", "render", "--image", agent.IMAGE, *agent.folders(place))
    kube("apply", "-f", "-", stdin=usual)
    releases.restart_agent(kube)


def settings(folder: Path, **keys: object) -> tuple[str, str]:
    path = folder / "daemon.json"
    path.write_text(json.dumps(keys), encoding="utf-8")
    return "--config", str(path)


@pytest.mark.usefixtures("put_back")
def test_every_pod_gets_the_operators_networks(
    kube: Kube, place: Place, namespace: str, tmp_path: Path
) -> None:
    kube.apply(
        bridge(namespace, "extra", "10.91.0.0/24"),
        bridge(namespace, "own", "10.92.0.0/24"),
    )
    told = settings(
        tmp_path,
        multusNamespace=namespace,
        defaultNetworks=["extra"],
        readinessindicatorfile=f"/host{place.cni_conf}/10-primary.conflist",
    )

    agent.install(kube, place, *told)
    kube.apply(pod(namespace, "plain"), pod(namespace, "more", "own"))
    kube.wait_ready(namespace, "plain")
    kube.wait_ready(namespace, "more")

    plain, more = kube.addresses(namespace, "plain"), kube.addresses(namespace, "more")
    assert set(plain) == {"eth0", "net1"}
    assert plain["net1"][0].startswith("10.91.0.")
    assert set(more) == {"eth0", "net1", "net2"}
    assert more["net2"][0].startswith("10.92.0.")
    assert [entry["name"] for entry in kube.status(namespace, "more")][1:] == [
        f"{namespace}/extra",
        f"{namespace}/own",
    ]


@pytest.mark.usefixtures("put_back")
def test_a_definition_is_every_pods_first_network(
    kube: Kube, place: Place, namespace: str, tmp_path: Path
) -> None:
    kube.apply(bridge(namespace, "main", "10.93.0.0/24", isGateway=True))

    agent.install(
        kube, place, *settings(tmp_path, multusNamespace=namespace, clusterNetwork="main")
    )
    kube.apply(pod(namespace, "plain"))
    kube.wait_ready(namespace, "plain")

    found = kube.addresses(namespace, "plain")
    (entry,) = kube.status(namespace, "plain")
    assert set(found) == {"eth0"}
    assert found["eth0"][0].startswith("10.93.0.")
    assert (entry["name"], entry["default"]) == (f"{namespace}/main", True)


@pytest.mark.usefixtures("mended")
def test_a_wrong_setting_is_named_and_the_agent_of_before_goes_on(
    kube: Kube, namespace: str
) -> None:
    wrong = {"data": {"daemon.yaml": "namespaceIsolation: maybe\n"}}
    kube("-n", agent.NAMESPACE, "patch", "configmap", "polypod", "-p", json.dumps(wrong))
    kube("-n", agent.NAMESPACE, "rollout", "restart", "daemonset/polypod")

    soon(lambda: "namespaceIsolation: Expected `bool`" in last_words(kube), "the agent's words", 60)
    kube.apply(bridge(namespace, "own", "10.92.0.0/24"), pod(namespace, "more", "own"))
    kube.wait_ready(namespace, "more")

    assert set(kube.addresses(namespace, "more")) == {"eth0", "net1"}


def last_words(kube: Kube) -> str:
    """Return what agents said when they ended."""
    found = json.loads(kube("-n", agent.NAMESPACE, "get", "pods", "-o", "json"))
    states = [
        one[state].get("terminated", {}).get("message", "")
        for item in found["items"]
        for one in item.get("status", {}).get("containerStatuses", [])
        for state in ("state", "lastState")
    ]
    return "\n".join(states)
