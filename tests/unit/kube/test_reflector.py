"""List, watch, resume and begin anew: what a reflector asks, and what it makes of the answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pytest
from tests.contract.api_suite import definition, soon
from tests.unit.security.raw_server import RawServer, body, chunked

from polypod.errors import ApiError
from polypod.kube.client import Backoff, Client, Query
from polypod.kube.reflector import HASTY_S, PAGE, Reflector
from polypod.testing.api_http import DEFINITIONS
from polypod.testing.api_server import FakeApiServer

Script = Callable[[str], Iterable[bytes]]


class Names:
    """A shelf that keeps names."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def replace(self, objects: Iterable[msgspec.Raw]) -> None:
        self.names = {_name(raw) for raw in objects}

    def hear(self, line: bytes) -> str | None:
        event = json.loads(line)
        metadata = event["object"].get("metadata", {})
        match event["type"]:
            case "ADDED" | "MODIFIED":
                self.names.add(metadata["name"])
            case "DELETED":
                self.names.discard(metadata["name"])
            case _:
                return None
        return str(metadata["resourceVersion"])


def _name(raw: msgspec.Raw) -> str:
    return str(json.loads(bytes(raw))["metadata"]["name"])


def reflector(client: Client, shelf: Names) -> Reflector:
    return Reflector(
        name="definitions",
        client=client,
        query=Query(path=DEFINITIONS),
        shelf=shelf,
        backoff=Backoff(first_s=0.01, most_s=0.01),
    )


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def started(api: FakeApiServer) -> Iterator[Names]:
    """Watch the server in memory."""
    client, shelf = Client(api.access), Names()
    made = reflector(client, shelf)
    made.start()
    assert made.wait_synced(10)
    yield shelf
    made.stop()
    client.close()


def lists(api: FakeApiServer) -> list[str]:
    return [request for request in api.requests if "watch=1" not in request]


def watches(api: FakeApiServer) -> list[str]:
    return [request for request in api.requests if "watch=1" in request]


def test_a_watch_that_ended_goes_on_where_it_was(api: FakeApiServer, started: Names) -> None:
    api.put(DEFINITIONS, definition("one"))
    soon(lambda: started.names == {"one"})

    api.end_watches()
    api.put(DEFINITIONS, definition("two"))

    soon(lambda: started.names == {"one", "two"})
    assert len(lists(api)) == 1
    assert "resourceVersion=2" in watches(api)[-1]


def test_a_watch_asks_for_bookmarks_and_an_end(api: FakeApiServer, started: Names) -> None:
    del started
    soon(lambda: bool(watches(api)))

    assert "allowWatchBookmarks=true" in watches(api)[0]
    assert "timeoutSeconds=300" in watches(api)[0]


def test_a_history_that_is_gone_when_the_watch_begins_leads_to_a_list(
    api: FakeApiServer, started: Names
) -> None:
    soon(lambda: bool(watches(api)))
    api.fail_next = [410]

    api.end_watches()
    api.put(DEFINITIONS, definition("new"))

    soon(lambda: started.names == {"new"})
    assert len(lists(api)) == 2


def test_a_history_that_goes_while_it_is_watched_leads_to_a_list(
    api: FakeApiServer, started: Names
) -> None:
    soon(lambda: bool(watches(api)))
    api.put(DEFINITIONS, definition("old"))
    api.compact()

    api.delete(DEFINITIONS, "default", "old")
    api.compact()
    api.put(DEFINITIONS, definition("new"))

    soon(lambda: started.names == {"new"})


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_server_that_refuses_is_asked_again(status: int, api: FakeApiServer) -> None:
    api.put(DEFINITIONS, definition("one"))
    api.fail_next = [status] * 4
    client, shelf = Client(api.access), Names()
    made = reflector(client, shelf)

    made.start()

    assert made.wait_synced(10)
    assert shelf.names == {"one"}
    made.stop()
    client.close()


def test_a_page_that_came_too_late_is_asked_for_with_all_others(api: FakeApiServer) -> None:
    """A list takes longer than the server remembers: its next page is 410."""
    for number in range(PAGE + 1):
        api.put(DEFINITIONS, definition(f"n{number}"))
    client, shelf = Client(api.access), Names()
    made = reflector(client, shelf)
    get = client.get

    def late(query: Query, *, timeout_s: float = 10.0) -> bytes:
        if any(key == "continue" for key, _ in query.parameters):
            api.put(DEFINITIONS, definition("meanwhile"))
            api.compact()
        return get(query, timeout_s=timeout_s)

    client.get = late  # type: ignore[method-assign]

    made.start()

    assert made.wait_synced(10)
    assert len(shelf.names) == PAGE + 2
    assert "limit" not in lists(api)[-1]
    made.stop()
    client.close()


def event(kind: str, name: str, version: str) -> bytes:
    found = {
        "type": kind,
        "object": {"metadata": {"name": name, "resourceVersion": version}},
    }
    return json.dumps(found).encode() + b"\n"


def at(script: Script, act: Callable[[RawServer, Reflector, Names], None]) -> None:
    with RawServer(script) as server:
        client, shelf = Client(server.access), Names()
        made = reflector(client, shelf)
        made.start()
        try:
            act(server, made, shelf)
        finally:
            made.stop()
            client.close()


def test_a_bookmark_moves_the_place_where_a_watch_goes_on() -> None:
    def script(target: str) -> Iterable[bytes]:
        if "watch=1" not in target:
            return body(b'{"metadata":{"resourceVersion":"5"},"items":[]}')
        if "resourceVersion=5" in target:
            return chunked([event("ADDED", "a", "7"), event("BOOKMARK", "", "90")])
        return chunked([])

    def act(server: RawServer, made: Reflector, shelf: Names) -> None:
        del made
        soon(lambda: any("resourceVersion=90" in target for target in server.targets))
        assert shelf.names == {"a"}
        assert sum("watch=1" not in target for target in server.targets) == 1

    at(script, act)


def test_events_of_a_kind_that_nobody_knows_are_passed_over() -> None:
    def script(target: str) -> Iterable[bytes]:
        if "watch=1" not in target:
            return body(b'{"metadata":{"resourceVersion":"5"},"items":[]}')
        return chunked([event("RENAMED", "x", "6"), event("ADDED", "a", "7")])

    def act(server: RawServer, made: Reflector, shelf: Names) -> None:
        del server, made
        soon(lambda: shelf.names == {"a"})

    at(script, act)


@pytest.mark.parametrize(
    "status", [{"code": 410, "message": "compacted"}, {"code": 500, "message": "etcd"}]
)
def test_an_error_as_an_event_leads_to_a_list(status: dict[str, Any]) -> None:
    line = json.dumps({"type": "ERROR", "object": status}).encode() + b"\n"

    def script(target: str) -> Iterable[bytes]:
        if "watch=1" not in target:
            return body(b'{"metadata":{"resourceVersion":"5"},"items":[]}')
        return chunked([line])

    def act(server: RawServer, made: Reflector, shelf: Names) -> None:
        del made, shelf
        soon(lambda: sum("watch=1" not in target for target in server.targets) >= 2)

    at(script, act)


def test_a_server_that_ends_every_watch_at_once_is_not_asked_without_pause() -> None:
    def script(target: str) -> Iterable[bytes]:
        if "watch=1" not in target:
            return body(b'{"metadata":{"resourceVersion":"5"},"items":[]}')
        return chunked([])

    with RawServer(script) as server:
        client, shelf = Client(server.access), Names()
        made = Reflector(
            name="x",
            client=client,
            query=Query(path=DEFINITIONS),
            shelf=shelf,
            backoff=Backoff(first_s=5.0, most_s=5.0),
        )
        made.start()
        soon(lambda: len(server.targets) == 2)

        assert made.is_synced
        made.stop()
        client.close()
        assert len(server.targets) == 2


def test_an_outage_after_a_long_watch_begins_with_a_short_pause(api: FakeApiServer) -> None:
    client, shelf = Client(api.access), Names()
    backoff = Backoff(first_s=0.01, most_s=60.0)
    for _ in range(20):
        backoff.failed()
    made = Reflector(
        name="x", client=client, query=Query(path=DEFINITIONS), shelf=shelf, backoff=backoff
    )
    made.start()
    assert made.wait_synced(10)
    soon(lambda: bool(watches(api)))
    threading.Event().wait(HASTY_S + 0.1)  # the time that a watch must last

    api.end_watches()
    api.put(DEFINITIONS, definition("new"))

    soon(lambda: shelf.names == {"new"})
    made.stop()
    client.close()


def weary() -> Backoff:
    """Return the pauses of a long outage."""
    return Backoff(first_s=60.0, most_s=60.0)


def test_a_history_that_went_during_an_outage_leads_to_a_list_without_a_pause() -> None:
    gone = event("ERROR", "", "").replace(b'"metadata"', b'"code": 410, "metadata"')

    def script(target: str) -> Iterable[bytes]:
        if "watch=1" not in target:
            return body(b'{"metadata":{"resourceVersion":"5"},"items":[]}')
        return chunked([gone])

    with RawServer(script) as server:
        client = Client(server.access)
        made = Reflector(
            name="x",
            client=client,
            query=Query(path=DEFINITIONS),
            shelf=Names(),
            backoff=weary(),
        )
        made.start()

        soon(lambda: len(server.targets) == 4)
        assert ["watch=1" in target for target in server.targets] == [False, True] * 2
        made.stop()
        client.close()
        assert len(server.targets) == 4  # a server that always says so is left alone for a while


def test_a_watch_that_pauses_goes_on_when_somebody_heard_of_the_server(api: FakeApiServer) -> None:
    api.put(DEFINITIONS, definition("one"))
    api.fail_next = [503]
    client, shelf = Client(api.access), Names()
    made = Reflector(
        name="x", client=client, query=Query(path=DEFINITIONS), shelf=shelf, backoff=weary()
    )
    made.start()
    soon(lambda: made.is_pausing)

    made.hurry()

    assert made.wait_synced(10)
    made.stop()
    client.close()


def test_pauses_grow_and_end_when_something_worked() -> None:
    backoff = Backoff(first_s=1.0, most_s=4.0)

    waits = [backoff.failed() for _ in range(5)]
    backoff.worked()

    for wait, most in zip(waits, (1, 2, 4, 4, 4), strict=True):
        assert most / 2 <= wait <= most
    assert backoff.failed() <= 1.0


def test_a_refusal_is_what_a_turn_raises(api: FakeApiServer) -> None:
    api.fail_next = [403]
    client = Client(api.access)

    with pytest.raises(ApiError) as refused:
        reflector(client, Names()).turn()

    assert refused.value.status == 403
    client.close()
