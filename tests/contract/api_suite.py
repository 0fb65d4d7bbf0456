"""The API server's habits that kube/ leans on: one suite, for the one in memory and a real one.

A subclass gives the fixture `api`. test_api_fake.py has the one in memory; tests/control_plane has
a kube-apiserver with its etcd.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Protocol

import pytest

from polypod.errors import ApiError
from polypod.kube.access import Access
from polypod.kube.cache import ApiSource
from polypod.kube.client import METADATA, Client, Query
from polypod.kube.events import SIMILAR, Events, Happening
from polypod.kube.status_patches import ANNOTATION, StatusPatches
from polypod.testing.api_http import DEFINITIONS, EVENTS, PODS, Table

NODE = "contract-node"
KEY = "k8s.v1.cni.cncf.io/networks"
SOON_S = 30.0


class ApiLab(Protocol):
    """An API server that a test may change, and how to reach it."""

    @property
    def access(self) -> Access:
        """Return the way in, for somebody who may do everything."""
        ...

    def put(self, collection: str, wanted: Table) -> Table:
        """Create or replace an object; return it as it is stored."""
        ...

    def delete(self, collection: str, namespace: str, name: str) -> None:
        """Delete an object at once."""
        ...

    def get(self, collection: str, namespace: str, name: str) -> Table | None:
        """Return an object."""
        ...

    def all(self, collection: str) -> list[Table]:
        """Return every object of the default namespace."""
        ...

    def compact(self) -> None:
        """Forget the history."""
        ...

    def end_watches(self) -> None:
        """End every watch, as a server that restarts does."""
        ...


def pod(name: str, *, node: str = NODE, annotations: dict[str, str] | None = None) -> Table:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "default", "name": name, "annotations": annotations or {}},
        "spec": {"nodeName": node, "containers": [{"name": "c", "image": "i"}]},
    }


def definition(name: str, config: str = "{}") -> Table:
    return {
        "apiVersion": "k8s.cni.cncf.io/v1",
        "kind": "NetworkAttachmentDefinition",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"config": config},
    }


def happening(pod: Table, message: str = "there is no network") -> Happening:
    """Return an event about a pod."""
    return Happening(
        namespace="default",
        about=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        reason="NoNetworkFound",
        message=message,
        is_warning=True,
    )


def soon(holds: Callable[[], bool]) -> None:
    """Wait until something holds, and fail when it does not come about."""
    until = time.monotonic() + SOON_S
    while not holds():
        assert time.monotonic() < until, "did not come about in time"
        threading.Event().wait(0.01)


class ApiContract:
    """What an API server does, as far as somebody here counts on it."""

    @pytest.fixture
    def client(self, api: ApiLab) -> Iterator[Client]:
        made = Client(api.access)
        yield made
        made.close()

    @pytest.fixture
    def source(self, client: Client) -> Iterator[ApiSource]:
        made = ApiSource(client, NODE, appear_s=0.5)
        yield made
        made.stop()

    def test_what_was_there_before_the_watch_is_known(self, api: ApiLab, source: ApiSource) -> None:
        api.put(PODS, pod("a", annotations={KEY: "v"}))
        api.put(DEFINITIONS, definition("net"))

        source.start()

        assert source.wait_synced(SOON_S)
        found = source.pod("default", "a")
        assert found is not None
        assert found.annotations[KEY] == "v" and found.uid
        assert source.definition("default", "net") is not None

    def test_only_pods_of_this_node_are_kept(self, api: ApiLab, source: ApiSource) -> None:
        api.put(PODS, pod("elsewhere", node="node2"))
        source.start()
        assert source.wait_synced(SOON_S)

        api.put(PODS, pod("late", node="node2"))
        api.put(PODS, pod("here"))

        soon(lambda: [p.name for p in source.pods()] == ["here"])

    def test_changes_and_deletions_are_heard(self, api: ApiLab, source: ApiSource) -> None:
        source.start()
        assert source.wait_synced(SOON_S)

        api.put(DEFINITIONS, definition("net", '{"type":"bridge"}'))
        soon(lambda: len(source.definitions()) == 1)
        api.put(DEFINITIONS, definition("net", '{"type":"macvlan"}'))
        soon(lambda: source.definitions()[0].config == '{"type":"macvlan"}')
        api.delete(DEFINITIONS, "default", "net")

        soon(lambda: source.definitions() == ())

    def test_a_list_longer_than_a_page_is_complete(self, api: ApiLab, source: ApiSource) -> None:
        for number in range(620):
            api.put(DEFINITIONS, definition(f"net-{number}"))

        source.start()

        assert source.wait_synced(SOON_S * 4)
        assert len(source.definitions()) == 620

    def test_a_server_that_ends_its_watches_is_heard_again(
        self, api: ApiLab, source: ApiSource
    ) -> None:
        source.start()
        assert source.wait_synced(SOON_S)

        api.end_watches()
        api.put(DEFINITIONS, definition("after"))

        soon(lambda: len(source.definitions()) == 1)

    def test_a_forgotten_history_leads_to_a_new_list(self, api: ApiLab, source: ApiSource) -> None:
        api.put(DEFINITIONS, definition("old"))
        source.start()
        assert source.wait_synced(SOON_S)

        api.end_watches()
        api.delete(DEFINITIONS, "default", "old")
        api.put(DEFINITIONS, definition("new"))
        api.compact()
        api.end_watches()

        soon(lambda: [d.name for d in source.definitions()] == ["new"])

    def test_a_miss_is_asked_for_live_and_once(self, api: ApiLab, source: ApiSource) -> None:
        made = api.put(PODS, pod("early"))

        found = source.pod("default", "early", made["metadata"]["uid"])

        assert found is not None and found.uid == made["metadata"]["uid"]
        assert source.pod("default", "nobody") is None

    def test_a_pod_made_again_is_asked_for_live(self, api: ApiLab, source: ApiSource) -> None:
        api.put(PODS, pod("a"))
        source.start()
        assert source.wait_synced(SOON_S)
        before = source.pod("default", "a")
        assert before is not None

        api.delete(PODS, "default", "a")
        after = api.put(PODS, pod("a"))
        found = source.pod("default", "a", after["metadata"]["uid"])

        assert found is not None and found.uid == after["metadata"]["uid"] != before.uid

    def test_network_status_reaches_the_pod(self, api: ApiLab, client: Client) -> None:
        made = api.put(PODS, pod("a", annotations={"kept": "yes"}))
        patches = StatusPatches(client)
        patches.start()

        patches.write("default", "a", "[]", made["metadata"]["uid"])

        assert patches.stop(SOON_S)
        found = api.get(PODS, "default", "a")
        assert found is not None
        assert found["metadata"]["annotations"] == {"kept": "yes", ANNOTATION: "[]"}

    def test_a_late_status_never_hits_a_pod_that_was_made_again(
        self, api: ApiLab, client: Client
    ) -> None:
        api.put(PODS, pod("a"))
        patches = StatusPatches(client)
        patches.start()

        patches.write("default", "a", "[]", "00000000-0000-0000-0000-000000000000")

        assert patches.stop(SOON_S)
        found = api.get(PODS, "default", "a")
        assert found is not None and ANNOTATION not in found["metadata"].get("annotations", {})

    def test_a_status_of_a_pod_that_is_gone_is_no_failure(
        self, api: ApiLab, client: Client
    ) -> None:
        made = api.put(PODS, pod("a"))
        api.delete(PODS, "default", "a")
        patches = StatusPatches(client)
        patches.start()

        patches.write_now("default", "a", "[]", made["metadata"]["uid"])

        assert patches.stop(SOON_S)
        assert (patches.tally.written, patches.tally.dropped) == (0, 1)

    def test_who_waits_for_a_status_finds_it_written(self, api: ApiLab, client: Client) -> None:
        made = api.put(PODS, pod("a"))
        patches = StatusPatches(client)
        patches.start()

        patches.write_now("default", "a", "[]", made["metadata"]["uid"])

        found = api.get(PODS, "default", "a")
        assert found is not None and found["metadata"]["annotations"][ANNOTATION] == "[]"
        assert patches.stop(SOON_S)

    def test_an_event_of_an_earlier_daemon_is_counted_up(self, api: ApiLab, client: Client) -> None:
        told = happening(api.put(PODS, pod("a")))

        for _ in range(2):
            events = Events(client, NODE)
            events.start()
            events.tell(told)
            events.stop(SOON_S)

        (found,) = api.all(EVENTS)
        assert found["count"] == 2

    def test_an_event_that_has_expired_is_written_anew(self, api: ApiLab, client: Client) -> None:
        told = happening(api.put(PODS, pod("a")))
        events = Events(client, NODE)
        events.start()
        events.tell(told)
        soon(lambda: len(api.all(EVENTS)) == 1)
        soon(lambda: events.tally.written == 1)

        api.delete(EVENTS, "default", told.name)
        events.tell(told)
        events.stop(SOON_S)

        (found,) = api.all(EVENTS)
        assert (found["count"], found["message"]) == (1, told.message)

    def test_many_events_that_differ_in_words_alone_become_one(
        self, api: ApiLab, client: Client
    ) -> None:
        made = api.put(PODS, pod("a"))
        events = Events(client, NODE)
        events.start()

        for number in range(30):
            events.tell(happening(made, f"address 10.0.0.{number} is taken"))
        events.stop(SOON_S)

        found = api.all(EVENTS)
        assert len(found) == SIMILAR + 1
        (together,) = [event for event in found if event["message"].startswith("(combined")]
        assert together["count"] == 30 - SIMILAR
        assert together["message"].endswith("10.0.0.29 is taken")

    def test_an_event_may_be_about_the_node(self, api: ApiLab, client: Client) -> None:
        events = Events(client, NODE)
        events.start()

        events.tell(
            Happening(
                namespace="default",
                about=NODE,
                uid=NODE,
                kind="Node",
                reason="CNIConfigurationRenamed",
                message="somebody did",
            )
        )
        events.stop(SOON_S)

        (found,) = api.all(EVENTS)
        assert found["involvedObject"]["kind"] == "Node"

    def test_events_of_one_kind_are_counted_in_one_object(
        self, api: ApiLab, client: Client
    ) -> None:
        made = api.put(PODS, pod("a"))
        events = Events(client, NODE)
        events.start()
        told = happening(made)

        for _ in range(3):
            events.tell(told)
        events.stop(SOON_S)

        (found,) = api.all(EVENTS)
        assert (found["count"], found["type"], found["reason"]) == (3, "Warning", "NoNetworkFound")
        assert found["involvedObject"]["uid"] == made["metadata"]["uid"]

    def test_a_missing_object_and_a_missing_kind_are_404(self, api: ApiLab, client: Client) -> None:
        del api
        for path in ("/api/v1/namespaces/default/pods/none", "/apis/none.example/v1/nones"):
            with pytest.raises(ApiError) as refused:
                client.get(Query(path=path))
            assert refused.value.status == 404

    def test_metadata_alone_is_enough_of_a_pod(self, api: ApiLab, client: Client) -> None:
        api.put(PODS, pod("a", annotations={KEY: "v"}))

        raw = client.get(Query(path="/api/v1/namespaces/default/pods/a", accept=METADATA))

        assert b'"annotations"' in raw
