"""The switch from Multus on a real cluster, by the files of `polypod migrate`, and back again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster import life, processes
from cluster.place import Place
from tests.cluster import agent, multus
from tests.cluster.kube import Kube, bridge, deployment, macvlan, pod, soon
from tests.cluster.traces import LEASES, STATE

Install = Callable[[Kube, Place], None]
POLYPOD = [sys.executable, "-m", "polypod.cli.main"]


@pytest.fixture(params=[multus.in_file, multus.written_out, multus.thick], ids=lambda f: f.__name__)
def ruled(
    request: pytest.FixtureRequest, kube: Kube, place: Place, taken_away: None
) -> Iterator[Install]:
    """Let Multus rule the cluster, as if nobody else had ever been there."""
    del taken_away
    agent.uninstall(kube)
    soon(lambda: not (place.cni_conf / "00-polypod.conflist").exists(), "the end of the agent")
    install: Install = request.param
    install(kube, place)
    yield install
    agent.uninstall(kube)
    multus.uninstall(kube, place)


def migrate(place: Place, *words: str) -> tuple[int, str]:
    """Run `polypod migrate` as the cluster's administrator; return exit status and output."""
    command = [*POLYPOD, "migrate", "--node", "/", *agent.folders(place), *words]
    ran = subprocess.run(
        processes.inside(place, command),
        env=life.environment(place),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode in {0, 1, 2}, (ran.stdout, ran.stderr)
    return ran.returncode, ran.stdout


def carry_out(place: Place, script: Path) -> None:
    """Run a script that was written, in its folder."""
    ran = subprocess.run(
        processes.inside(place, ["sh", "-eu", script.name]),
        cwd=script.parent,
        env=life.environment(place),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert ran.returncode == 0, (ran.stdout, ran.stderr)


def leases(namespace: str) -> list[str]:
    """Return the addresses that a case's networks have given out."""
    found = LEASES.glob(f"{namespace}-*/1*")
    return sorted(f"{path.parent.name} {path.name}" for path in found)


def prepare(kube: Kube) -> str:
    """Make a namespace with three networks whose leases are told apart by its name."""
    namespace = kube.make_namespace()
    kube.apply(
        bridge(namespace, f"{namespace}-left", "10.91.0.0/24"),
        macvlan(namespace, f"{namespace}-right", "10.92.0.0/24"),
        bridge(namespace, f"{namespace}-third", "10.93.0.0/24"),
    )
    return namespace


def networks(namespace: str) -> str:
    return ",".join(f"{namespace}-{name}" for name in ("left", "right", "third"))


def end(kube: Kube, namespace: str, *names: str) -> None:
    kube("-n", namespace, "delete", "pod", *names, "--wait=true", "--timeout=60s")


def test_a_cluster_is_switched_with_its_pods_and_back_again(
    kube: Kube, place: Place, ruled: Install, tmp_path: Path
) -> None:
    namespace = prepare(kube)
    kube.apply(*(pod(namespace, f"old-{n}", networks(namespace)) for n in range(3)))
    kube.apply(deployment(namespace, "web", f"{namespace}-left", 2))
    kube.wait_ready(namespace, "old-0", "old-1", "old-2")
    kube("-n", namespace, "rollout", "status", "deployment/web", "--timeout=60s")

    check_what_is_said(place, namespace)
    migrate(place, "--out", str(tmp_path), "--image", agent.IMAGE)
    switch(kube, place, namespace, tmp_path)
    end_pods_of_before(kube, namespace)
    if ruled is multus.written_out:
        go_back(kube, place, namespace, tmp_path)
    else:  # where such a Multus ends no pod of a bridge
        go_back_and_switch_again(kube, place, namespace, tmp_path)

    kube.delete_namespace(namespace)
    soon(lambda: leases(namespace) == [], "the end of every address")


def check_what_is_said(place: Place, namespace: str) -> None:
    """Ask before anything is touched: nothing differs but what holds everywhere."""
    code, said = migrate(place, "-o", "json")

    report: dict[str, Any] = json.loads(said)
    told = {finding["subject"]: finding["text"] for finding in report["findings"]}
    assert (code, report["result"]) == (0, "same"), said
    assert told["setting globalNamespaces"] == "translated: read as default, shared"
    assert told["setting namespaceIsolation"] == "is kept: true"
    assert told[f"pod {namespace}/old-0"] == "gets the same networks (3 beside its first one)"
    assert any("sandboxes of Multus's are taken down" in text for text in told.values())


def switch(kube: Kube, place: Place, namespace: str, folder: Path) -> None:
    """Switch by the script; pods that run notice nothing, and new ones are ours."""
    before = {name: kube.addresses(namespace, name) for name in ("old-0", "old-1")}
    attached = multus.sandboxes()

    carry_out(place, folder / "switch.sh")

    kube.apply(pod(namespace, "new-0", networks(namespace)))
    kube.wait_ready(namespace, "new-0")
    assert not (place.cni_conf / multus.CONF).exists()
    assert {name: kube.addresses(namespace, name) for name in before} == before
    assert set(kube.addresses(namespace, "new-0")) == {"eth0", "net1", "net2", "net3"}
    assert len(attached) >= 5
    assert multus.sandboxes() == attached


def end_pods_of_before(kube: Kube, namespace: str) -> None:
    """End what Multus attached: it is taken back, and nothing else."""
    kube("-n", namespace, "delete", "deployment", "web", "--cascade=foreground")
    end(kube, namespace, "old-0", "old-1", "old-2")

    soon(lambda: len(leases(namespace)) == 3, "only the new pod's addresses")
    soon(lambda: namespace not in str(multus.results()), "the end of what libcni kept")


def go_back(kube: Kube, place: Place, namespace: str, folder: Path) -> None:
    """Go back with a pod of ours that runs; Multus ends it, and the rest is freed after."""
    attached = multus.sandboxes()

    carry_out(place, folder / "back.sh")
    assert (place.cni_conf / multus.CONF).exists()
    kube.apply(pod(namespace, "again", networks(namespace)))
    kube.wait_ready(namespace, "again")
    assert set(kube.addresses(namespace, "new-0")) == {"eth0", "net1", "net2", "net3"}
    assert len(multus.sandboxes()) == len(attached) + 1
    end(kube, namespace, "new-0")
    soon(lambda: len(leases(namespace)) == 3, "the addresses of the pod that ended")
    carry_out(place, folder / "back-ends.sh")
    assert not list(STATE.glob("*"))


def go_back_and_switch_again(kube: Kube, place: Place, namespace: str, folder: Path) -> None:
    """Go back and return with a pod of each that runs; the scripts may be run twice."""
    for _ in range(2):
        carry_out(place, folder / "back.sh")
    soon((place.cni_conf / multus.CONF).exists, "Multus's configuration")
    kube.apply(pod(namespace, "again", networks(namespace)))
    kube.wait_ready(namespace, "again")
    attached = multus.sandboxes()

    for _ in range(2):
        carry_out(place, folder / "switch.sh")

    assert len(attached) == 1
    assert not (place.cni_conf / multus.CONF).exists()
    assert set(kube.addresses(namespace, "new-0")) == {"eth0", "net1", "net2", "net3"}
    end(kube, namespace, "new-0", "again")
    soon(lambda: multus.sandboxes() == leases(namespace) == [], "the end of every attachment")
