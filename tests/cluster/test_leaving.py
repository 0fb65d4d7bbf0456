"""The agent goes: its DaemonSet is deleted, its release uninstalled, or it ends untidily."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from cluster import build, jobs, life, processes
from cluster.place import NODE, Place
from tests.cluster import agent, sandboxes
from tests.cluster.kube import Kube, bridge, deployment, pod, soon
from tests.cluster.probe import Probe
from tests.cluster.test_outages import all_attached
from tests.cluster.test_upgrades import LONGEST_GAP_S


def wait_gone(place: Place) -> None:
    """Wait until nothing of ours lies in the runtime's folders."""
    ours = (place.cni_conf / "00-polypod.conflist", place.cni_bin / "polypod")
    soon(lambda: not any(path.exists() for path in ours), "the end of our files")


def assert_plain_pods_start(kube: Kube, namespace: str) -> None:
    """Start a pod, and see that it has its primary network only."""
    kube.apply(pod(namespace, "plain"))
    kube.wait_ready(namespace, "plain")
    assert set(kube.addresses(namespace, "plain")) == {"eth0"}


def test_a_node_without_its_agent_goes_back_to_its_primary(kube: Kube, taken_away: None) -> None:
    del taken_away
    namespace = kube.make_namespace()
    kube.apply(bridge(namespace, "left", "10.87.0.0/24"), pod(namespace, "old", "left"))
    kube.wait_ready(namespace, "old")

    kube("-n", agent.NAMESPACE, "delete", "daemonset", "polypod", "--wait=true")
    wait_gone(kube.place)

    assert_plain_pods_start(kube, namespace)
    kube.delete_namespace(namespace)
    sandboxes.remove_ended(kube.place)  # no DEL follows: the next agent finds out by itself


def test_a_node_that_an_agent_left_as_it_was_is_repaired(kube: Kube, taken_away: None) -> None:
    del taken_away
    namespace = kube.make_namespace()
    name = kube.pods(agent.NAMESPACE)[0]["metadata"]["name"]

    kube("-n", agent.NAMESPACE, "delete", "daemonset", "polypod", "--cascade=orphan")
    os.kill(agent.pid(), signal.SIGSTOP)  # it hears no SIGTERM
    kube("-n", agent.NAMESPACE, "delete", "pod", name, "--force", "--grace-period=0")
    soon(lambda: not agent.pids(), "the end of the agent", 60)
    assert (kube.place.cni_conf / "00-polypod.conflist").exists()
    repair(kube)

    wait_gone(kube.place)
    assert_plain_pods_start(kube, namespace)
    kube.delete_namespace(namespace)


def repair(kube: Kube) -> None:
    """Apply what `polypod uninstall render` prints for this node, and wait for its end."""
    place, job = kube.place, f"job/polypod-uninstall-{NODE}"
    options = {
        "--conf-dir": place.cni_conf,
        "--shim-dir": place.cni_bin,
        "--runtime-socket": place.containerd,
    }
    folders = [str(word) for pair in options.items() for word in pair]
    text = agent.polypod("uninstall", "render", "--node", NODE, "--image", agent.IMAGE, *folders)
    kube("apply", "-f", "-", stdin=text)
    try:
        kube("-n", agent.NAMESPACE, "wait", "--for=condition=Complete", job, "--timeout=60s")
    except AssertionError as error:
        error.add_note(kube("-n", agent.NAMESPACE, "describe", "pods"))
        error.add_note(kube("-n", agent.NAMESPACE, "logs", job, "--tail=40"))
        raise
    kube("-n", agent.NAMESPACE, "delete", job)


@pytest.fixture
def helm(kube: Kube, installed: None, taken_away: None, tmp_path: Path) -> Helm:
    """Take the plain installation away, and render the chart."""
    del installed, taken_away
    build.build(jobs.helm())
    agent.uninstall(kube)
    wait_gone(kube.place)
    agent.polypod("install", "render", "--form", "helm", "--out", str(tmp_path))
    return Helm(kube.place, tmp_path)


class Helm:
    """Helm 4, with one release of our chart."""

    def __init__(self, place: Place, chart: Path) -> None:
        self._place = place
        values = {
            "image": agent.IMAGE,
            "cniBinDir": place.cni_bin,
            "cniConfDir": place.cni_conf,
            "runtimeSocket": place.containerd,
            "kubeletDir": place.kubelet / "root",
        }
        text = ",".join(f"{name}={value}" for name, value in values.items())
        self.chart = ("polypod", str(chart), "--set", text)

    def __call__(self, verb: str, *words: str) -> str:
        common = ("-n", agent.NAMESPACE, "--wait", "--timeout=90s")
        command = [self._place.program("helm"), verb, *words, *common]
        ran = subprocess.run(
            processes.inside(self._place, command),
            env=life.environment(self._place) | {"HELM_CACHE_HOME": str(self._place.root / "helm")},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if ran.returncode:
            kube = Kube(self._place)
            seen = kube("-n", agent.NAMESPACE, "describe", "pods")
            logs = kube("-n", agent.NAMESPACE, "logs", "daemonset/polypod", "--tail=40")
            raise AssertionError(f"{ran.stdout}{ran.stderr}\n{seen}\n{logs}")
        return ran.stdout


def test_helm_installs_upgrades_rolls_back_and_uninstalls(kube: Kube, helm: Helm) -> None:
    helm("install", *helm.chart, "--create-namespace")
    namespace = kube.make_namespace()
    kube.apply(bridge(namespace, "charted", "10.88.0.0/24"))
    kube.apply(deployment(namespace, "web", "charted", 6))

    with Probe(kube.place) as probe:
        helm("upgrade", *helm.chart, "--set", "logLevel=debug")
        agent.wait(kube)
        kube("-n", namespace, "scale", "deployment/web", "--replicas=10")
        helm("rollback", "polypod", "1")
        agent.wait(kube)
    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")
    assert all_attached(kube, namespace)
    assert probe.failed == [] and probe.gap_s < LONGEST_GAP_S

    kube("-n", namespace, "delete", "deployment", "web", "--cascade=foreground")
    helm("uninstall", "polypod")
    wait_gone(kube.place)
    assert_plain_pods_start(kube, namespace)
    assert kube.get(namespace, "net-attach-def", "charted") is not None
    kube.delete_namespace(namespace)
