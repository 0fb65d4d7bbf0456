"""Pods that came up without their networks are found after a start, told once, and no others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from polypod.daemon.missed import REASON, Missed
from polypod.errors import TryAgainError
from polypod.kube import running
from polypod.kube.access import Access
from polypod.kube.client import Client
from polypod.kube.events import Happening
from polypod.kube.running import Running
from polypod.store.multus_cache import MultusCache
from polypod.testing.api_http import PODS
from polypod.testing.api_server import FakeApiServer

LOST = Running(namespace="ns", name="lost", uid="u-lost")
LATE = Running(namespace="ns", name="late", uid="u-late")
KNOWN = Running(namespace="ns", name="known", uid="u-known")
READY = [{"type": "PodReadyToStartContainers", "status": "True"}]


@dataclass
class Node:
    """What a Missed asks, in memory; each look takes the next answer, the last one for ever."""

    looks: list[tuple[Running, ...] | Exception]
    records: set[tuple[str, str]] = field(default_factory=lambda: {("ns", "known")})
    gone: set[Running] = field(default_factory=set[Running])
    others: frozenset[str] = frozenset()
    told: list[Happening] = field(default_factory=list[Happening])

    def look(self) -> tuple[Running, ...]:
        answer = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def missed(self) -> Missed:
        return Missed(
            look=self.look,
            attached=lambda: frozenset(self.records),
            is_there=lambda pod: pod not in self.gone,
            others=lambda: self.others,
            tell=self.told.append,
            look_again_s=0.0,
        )


def test_a_pod_without_record_is_told_and_counted() -> None:
    node = Node([(LOST, KNOWN)])
    missed = node.missed()

    missed.run()

    (happening,) = node.told
    assert (happening.about, happening.uid, happening.reason) == ("lost", "u-lost", REASON)
    assert happening.is_warning and "primary network only" in happening.message
    assert missed.pods() == (("ns", "lost"),)


@pytest.mark.parametrize(
    ("looks", "others"),
    [
        pytest.param([(KNOWN,)], frozenset[str](), id="its record is there"),
        pytest.param([(LOST,), ()], frozenset[str](), id="its sandbox was a reboot's leftover"),
        pytest.param([(LOST,)], frozenset({"u-lost"}), id="Multus attached it"),
    ],
)
def test_a_pod_that_missed_nothing_is_not_told(
    looks: list[tuple[Running, ...] | Exception], others: frozenset[str]
) -> None:
    node = Node(looks, others=others)
    missed = node.missed()

    missed.run()

    assert node.told == [] and missed.pods() == ()


def test_a_pod_of_whose_sandbox_the_api_server_heard_late_is_told() -> None:
    node = Node([(), (LOST,)])

    node.missed().run()

    assert [one.about for one in node.told] == ["lost"]


def test_a_pod_is_told_once() -> None:
    node = Node([(LOST,), (LOST,), (LOST, LATE)])
    missed = node.missed()

    missed.run()

    assert [one.about for one in node.told] == ["lost"]


def test_an_api_server_that_is_away_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polypod.daemon.missed.RETRY_S", 0.0)
    node = Node([TryAgainError("away"), (LOST,)])

    node.missed().run()

    assert [one.about for one in node.told] == ["lost"]


def test_a_deleted_pod_is_not_counted_any_more() -> None:
    node = Node([(LOST,)])
    missed = node.missed()
    missed.run()

    node.gone.add(LOST)

    assert missed.pods() == ()


def test_a_pod_that_was_attached_after_all_is_not_counted_any_more() -> None:
    node = Node([(LOST,)])
    missed = node.missed()
    missed.run()

    node.records.add(("ns", "lost"))

    assert missed.pods() == ()


def test_a_daemon_that_stops_tells_nothing() -> None:
    node = Node([(LOST,)])
    missed = node.missed()
    missed.stop()

    missed.run()

    assert node.told == []


# --- which pods ask: as the API server says it ----------------------------------------------------


@pytest.fixture
def server() -> Iterator[FakeApiServer]:
    with FakeApiServer() as started:
        yield started


@pytest.fixture
def client(server: FakeApiServer) -> Iterator[Client]:
    made = Client(Access(host="127.0.0.1", port=server.port, tls=False))
    yield made
    made.close()


def pod(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "metadata": {
            "namespace": "ns",
            "name": name,
            "uid": f"u-{name}",
            "annotations": changes.get("annotations", {"k8s.v1.cni.cncf.io/networks": "lan"}),
            **changes.get("metadata", {}),
        },
        "spec": {"nodeName": "node1", **changes.get("spec", {})},
        "status": {"phase": "Running", "conditions": READY, **changes.get("status", {})},
    }


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        (True, {}),
        (True, {"annotations": {"v1.multus-cni.io/default-network": "other"}}),
        (True, {"status": {"phase": "Pending"}}),
        (False, {"annotations": {}}),
        (False, {"annotations": {"k8s.v1.cni.cncf.io/networks": ""}}),
        (False, {"spec": {"hostNetwork": True}}),
        (False, {"spec": {"nodeName": "node2"}}),
        (False, {"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        (False, {"status": {"phase": "Succeeded"}}),
        (False, {"status": {"conditions": []}}),
        (False, {"status": {"conditions": [{**READY[0], "status": "False"}]}}),
    ],
)
def test_only_pods_in_a_sandbox_ask(
    server: FakeApiServer, client: Client, *, expected: bool, changes: dict[str, Any]
) -> None:
    server.put(PODS, pod("one", **changes))

    found = running.asking(client, "node1")

    assert found == ((Running(namespace="ns", name="one", uid="u-one"),) if expected else ())


def test_pods_come_in_pages(server: FakeApiServer, client: Client) -> None:
    count = 2 * running.PAGE + 1
    for number in range(count):
        server.put(PODS, pod(f"p{number}"))

    assert len(running.asking(client, "node1")) == count
    assert len([target for target in server.requests if "limit=50" in target]) == 3


# --- pods of another meta-plugin: as libcni kept their results ------------------------------------


def test_results_of_libcni_tell_which_pods_multus_attached(tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    for uid, ifname in (("u-one", "eth0"), ("u-two", "eth0"), ("u-two", "net1")):
        kept = {
            "kind": "cniCacheV1",
            "ifName": ifname,
            "cniArgs": [["IgnoreUnknown", "1"], ["K8S_POD_UID", uid]],
        }
        (results / f"net-{uid}-{ifname}").write_text(json.dumps(kept))
    (results / "junk").write_text("{")
    (results / "old").write_text('{"ips": []}')

    assert MultusCache(tmp_path).pod_uids() == {"u-two"}
    assert MultusCache(tmp_path / "none").pod_uids() == frozenset()
