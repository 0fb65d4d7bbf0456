"""The agent beside the real Flannel: its daemon, its plugin, and its manifest as the primary."""

from __future__ import annotations

import ipaddress
import os
import signal
import subprocess
from collections.abc import Iterator

import pytest
from cluster import processes
from cluster.place import NODE_ADDRESS, Place
from tests.cluster import agent, flannel
from tests.cluster.kube import Kube, Object, bridge, macvlan, pod, soon
from tests.cluster.test_reboot import no_agent_serves
from tests.cluster.traces import LEASES, STATE, Traces

from polypod.install.detect import FLANNEL

PORT = 18080
"""A port of the node that a pod is given."""


@pytest.fixture(scope="module")
def said(kube: Kube, place: Place, installed: None) -> Iterator[str]:
    """Have Flannel as the primary, and beside it the agent that is rendered for this cluster."""
    del installed
    agent.uninstall(kube)
    _wait_gone(place)
    before = Traces.of(place)
    flannel.install(kube, place)
    rendered = agent.render(place, "--image", agent.IMAGE, *agent.folders(place))
    kube("apply", "-f", "-", stdin=rendered.stdout)
    agent.wait(kube)
    _make_what_is_shared(kube)
    yield rendered.stderr
    agent.uninstall(kube)
    _wait_gone(place)
    flannel.uninstall(kube, place)
    Traces.wait_equal(place, before)
    agent.install(kube, place)


def _make_what_is_shared(kube: Kube) -> None:
    """Have one pod attached whose port is mapped, for chains and files of the first use."""
    name = kube.make_namespace()
    kube.apply(_serves(name, "first"))
    kube.wait_ready(name, "first")
    kube.delete_namespace(name)


@pytest.fixture
def beside(said: str, namespace: str) -> str:
    """Give a case a namespace beside Flannel; what is left there is looked for, as elsewhere."""
    del said
    return namespace


def _wait_gone(place: Place) -> None:
    ours = place.cni_conf / "00-polypod.conflist"
    soon(lambda: not ours.exists() and not agent.pids(), "the end of the agent")


def _serves(namespace: str, name: str) -> Object:
    """Return a pod that answers on a port of the node."""
    found = pod(namespace, name)
    (container,) = found["spec"]["containers"]
    container["ports"] = [{"containerPort": 8080, "hostPort": PORT}]
    serve = f"echo this is {name} >/index.html; exec httpd -f -p 8080 -h /"
    container["command"] = ["/bin/sh", "-c", serve]
    return found


def leases(network: str) -> list[str]:
    """Return the addresses that a network has given out."""
    return sorted(path.name for path in (LEASES / network).glob("1*"))


def test_the_cluster_is_seen_to_run_flannel(kube: Kube, said: str) -> None:
    assert "detected primary: flannel (DaemonSet kube-flannel/kube-flannel-ds)" in said
    assert FLANNEL in flannel.written_on_node(kube)  # what it is known by where it has no DaemonSet


def test_pods_get_flannels_network_and_ours(kube: Kube, beside: str) -> None:
    kube.apply(
        bridge(beside, "left", "10.101.0.0/24"),
        macvlan(beside, "lan", "10.102.0.0/24"),
        pod(beside, "both", "left,lan"),
        pod(beside, "plain"),
    )
    kube.wait_ready(beside, "both", "plain")

    found = kube.addresses(beside, "both")
    status = kube.status(beside, "both")
    plain = kube.addresses(beside, "plain")

    told = flannel.subnet_file()
    mine = ipaddress.ip_interface(found["eth0"][0])
    other = ipaddress.ip_interface(plain["eth0"][0])
    assert set(found) == {"eth0", "net1", "net2"} and set(plain) == {"eth0"}
    assert mine.network == other.network == ipaddress.ip_network(flannel.SUBNET)
    shown = kube.inside(beside, "both", "ip", "link", "show", "eth0")
    assert f"mtu {told['FLANNEL_MTU']} " in shown
    assert [entry["name"] for entry in status] == ["cbr0", f"{beside}/left", f"{beside}/lan"]
    assert status[0]["default"] and status[0]["ips"] == [str(mine.ip)]
    kube.inside(beside, "both", "ping", "-c", "1", "-W", "5", str(other.ip))
    assert len(list(flannel.KEPT.iterdir())) == 2

    kube("-n", beside, "delete", "pod", "both", "plain", "--wait=true", "--timeout=60s")

    soon(lambda: not list(flannel.KEPT.iterdir()), "the end of what its plugin keeps")
    assert leases("cbr0") == []


def test_a_port_of_the_node_leads_to_a_pod(kube: Kube, place: Place, beside: str) -> None:
    """The plugin after Flannel's in its list is told of the port by us."""
    kube.apply(_serves(beside, "web"))
    kube.wait_ready(beside, "web")
    fetch = ["busybox", "wget", "-qO-", f"http://{NODE_ADDRESS}:{PORT}/index.html"]

    soon(lambda: processes.succeeds(place, fetch), "an answer")
    said = subprocess.run(
        processes.inside(place, fetch), capture_output=True, text=True, check=True, timeout=20
    )

    assert said.stdout == "this is web\n"


def test_pods_wait_for_flannel_and_end_without_it(kube: Kube, beside: str) -> None:
    kube.apply(bridge(beside, f"{beside}-left", "10.103.0.0/24"))
    kube.apply(pod(beside, "before", f"{beside}-left"))
    kube.wait_ready(beside, "before")
    flannel.SUBNET_FILE.unlink()

    kube.apply(pod(beside, "waits", f"{beside}-left"), pod(beside, "plain"))
    for name in ("waits", "plain"):
        kube.wait_event(beside, name, "FailedCreatePodSandBox", "open /run/flannel/subnet.env: no")
    kube("-n", beside, "delete", "pod", "before", "--wait=true", "--timeout=60s")
    soon(lambda: leases("cbr0") == leases(f"{beside}-left") == [], "the end of every address")
    assert not list(flannel.KEPT.iterdir())
    flannel.restart(kube)

    kube.wait_ready(beside, "waits", "plain", seconds=60)
    assert set(kube.addresses(beside, "waits")) == {"eth0", "net1"}
    assert set(kube.addresses(beside, "plain")) == {"eth0"}


def test_a_pod_that_ends_while_no_agent_serves_is_taken_back(kube: Kube, beside: str) -> None:
    """Flannel's plugin is then run without a namespace, by the agent in the runtime's mounts."""
    kube.apply(bridge(beside, f"{beside}-left", "10.104.0.0/24"))
    kube.apply(pod(beside, "kept", f"{beside}-left"))
    kube.wait_ready(beside, "kept")
    os.kill(agent.pid(), signal.SIGKILL)

    with no_agent_serves():
        kube("-n", beside, "delete", "pod", "kept", "--wait=true", "--timeout=100s")
        soon(lambda: any((STATE / "spool").iterdir()), "a DEL that is kept")
        assert len(leases("cbr0")) == len(leases(f"{beside}-left")) == 1
        assert len(list(flannel.KEPT.iterdir())) == 1
    agent.wait(kube)

    soon(lambda: leases("cbr0") == leases(f"{beside}-left") == [], "the end of every address")
    assert not list(flannel.KEPT.iterdir())
