"""Events on the pod, and a status that must be written: rows G21, K09, K32 and K33.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The engine's doors are
those in memory; pods, definitions, events and status go over HTTP to the API server in memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from tests.conformance.multus_node import refused
from tests.contract.api_suite import soon

from polypod.engine import attach
from polypod.engine.doors import Caller, Doors
from polypod.errors import ApiError, TryAgainError
from polypod.kube.cache import ApiSource
from polypod.kube.client import Client
from polypod.kube.events import Events
from polypod.kube.status_patches import ANNOTATION, StatusPatches, StrictStatus
from polypod.plan.foreign import ForeignCall
from polypod.testing.api_http import DEFINITIONS, EVENTS, PODS
from polypod.testing.api_server import FakeApiServer
from polypod.testing.node import Node, Sandbox

NODE = "node1"
SOON_S = 10.0
NETWORKS = "k8s.v1.cni.cncf.io/networks"


@dataclass(slots=True)
class Joined:
    """A node in memory that reads from an API server and writes to it."""

    node: Node
    api: FakeApiServer
    source: ApiSource
    status: StatusPatches
    events: Events

    def doors(self, *, strict: bool = False) -> Doors:
        status = StrictStatus(self.status, timeout_s=1.0) if strict else self.status
        base = self.node.doors()
        return replace(base, source=self.source, status=status, events=self.events)

    def add(self, pod: Sandbox, *, strict: bool = False) -> None:
        attach.attach(pod.request("ADD"), Caller(), self.doors(strict=strict))

    def pod(self, networks: str) -> Sandbox:
        made = self.api.put(
            PODS,
            {
                "metadata": {
                    "namespace": "test",
                    "name": "testpod",
                    "annotations": {NETWORKS: networks},
                },
                "spec": {"nodeName": NODE},
            },
        )
        uid = made["metadata"]["uid"]
        soon(lambda: bool(self.source.pods()))
        return self.node.sandbox("c1", namespace="test", pod="testpod", uid=uid)

    def told(self) -> list[tuple[str, str, str]]:
        """Return type, reason and message of every event, once all are out."""
        self.events.stop(SOON_S)
        return [(e["type"], e["reason"], e["message"]) for e in self.api.all(EVENTS)]


def answer(call: ForeignCall) -> bytes:
    """Answer as the primary and the two secondary networks do."""
    if call.command != "ADD":
        return b""
    addresses = {"eth0": "1.1.1.2/24", "net1": "1.1.1.3/24", "net2": "1.1.1.4/24"}
    found = {
        "cniVersion": "1.0.0",
        "interfaces": [{"name": call.ifname, "sandbox": call.netns}],
        "ips": [{"address": addresses[call.ifname], "interface": 0}],
    }
    return json.dumps(found).encode()


@pytest.fixture
def joined() -> Iterator[Joined]:
    node = Node()
    node.networks.raw = b'{"name":"weave1","type":"weave-net","cniVersion":"1.0.0"}'
    node.foreign.add("weave-net", answer)
    node.foreign.add("mynet", answer)
    with FakeApiServer() as api:
        for place in (1, 2, 3):
            config = {"name": f"net{place}", "type": "mynet", "cniVersion": "1.0.0"}
            api.put(
                DEFINITIONS,
                {
                    "metadata": {"namespace": "test", "name": f"net{place}"},
                    "spec": {"config": json.dumps(config)},
                },
            )
        client = Client(api.access)
        source = ApiSource(client, NODE, appear_s=0.1)
        made = Joined(node, api, source, StatusPatches(client), Events(client, NODE))
        source.start()
        made.status.start()
        made.events.start()
        assert source.wait_synced(SOON_S)
        yield made
        made.status.stop(0)
        made.events.stop(0)
        source.stop()
        client.close()


def test_k09_each_interface_is_an_event_in_order(joined: Joined) -> None:
    joined.add(joined.pod("net1,net2"))

    assert joined.told() == [
        ("Normal", "AddedInterface", "Add eth0 [1.1.1.2/24] from weave1"),
        ("Normal", "AddedInterface", "Add net1 [1.1.1.3/24] from test/net1"),
        ("Normal", "AddedInterface", "Add net2 [1.1.1.4/24] from test/net2"),
    ]


def test_g21_a_definition_that_is_not_there_is_an_event(joined: Joined) -> None:
    pod = joined.pod("none,net2")

    refused(lambda: joined.add(pod), "cannot find a network-attachment-definition (none)")

    ((kind, reason, message),) = joined.told()
    assert (kind, reason) == ("Warning", "NoNetworkFound")
    assert message.startswith(
        "cannot find a network-attachment-definition (none) in namespace (test): "
    )


def test_the_same_failure_again_counts_up(joined: Joined) -> None:
    pod = joined.pod("none")

    for _ in range(5):
        refused(lambda: joined.add(pod), "cannot find")

    joined.events.stop(SOON_S)
    (event,) = joined.api.all(EVENTS)
    assert event["count"] == 5


def test_k32_a_status_that_must_be_written_and_may_not_be_fails_the_add(joined: Joined) -> None:
    """The reference leaves the interfaces; here they are taken back."""
    pod = joined.pod("net1")
    joined.api.fail_next = [403] * 1000

    error = refused(lambda: joined.add(pod, strict=True), "error setting the networks status")

    assert isinstance(error, ApiError) and error.status == 403
    assert [call.command for call in joined.node.foreign.calls] == ["ADD", "ADD", "DEL", "DEL"]
    assert joined.node.journal.all() == ()


def test_k33_a_pod_that_is_gone_meanwhile_is_no_failure(joined: Joined) -> None:
    pod = joined.pod("net1")
    joined.api.fail_next = [404]

    joined.add(pod, strict=True)

    assert [call.command for call in joined.node.foreign.calls] == ["ADD", "ADD"]


def test_in_strict_mode_the_status_is_there_before_the_answer(joined: Joined) -> None:
    joined.add(joined.pod("net1"), strict=True)

    found = joined.api.get(PODS, "test", "testpod")
    assert found is not None and ANNOTATION in found["metadata"]["annotations"]


def test_in_strict_mode_a_server_that_is_away_fails_the_add_in_time(joined: Joined) -> None:
    joined.api.fail_next = [503] * 100

    with pytest.raises((TryAgainError, ApiError), match="error setting the networks status"):
        joined.status.write_now("test", "testpod", "[]", "u", timeout_s=0.3)

    assert joined.status.waiting == 0
