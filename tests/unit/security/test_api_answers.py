"""Whatever answers in the API server's place: a coded error, bounded memory, a watch that lives."""

from __future__ import annotations

import itertools
import json
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator

import pytest
from tests.contract.api_suite import definition, soon
from tests.unit.security.raw_server import RawServer, Script, body, chunked

from polypod.errors import DecodeError, PolypodError, TryAgainError
from polypod.kube import running
from polypod.kube.cache import ApiSource
from polypod.kube.client import MAX_ANSWER, MAX_LINE, Client, Query, TooLongError
from polypod.kube.kept import MAX_OBJECT, MAX_TOGETHER, Kept
from polypod.kube.objects import definition_size, read_definition, read_definition_change
from polypod.kube.paged import Pages
from polypod.testing.api_http import DEFINITIONS
from polypod.testing.api_server import FakeApiServer

NODE = "node1"
EMPTY = b'{"metadata":{"resourceVersion":"5"},"items":[]}'
BOUND = 3 * MAX_ANSWER
Opened = Callable[[Script], Client]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Return a client of a server that follows a script."""
    ends: list[Callable[[], None]] = []

    def make(script: Script) -> Client:
        server = RawServer(script).__enter__()
        client = Client(server.access)
        ends.extend([server.__exit__, client.close])
        return client

    yield make
    for end in reversed(ends):
        end()


@pytest.fixture
def peak() -> Iterator[Callable[[], int]]:
    """Return what tells how much memory Python had at most since the test began."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()


def endless(part: bytes) -> Iterable[bytes]:
    return itertools.repeat(part)


UNREADABLE = {
    "nothing": b"",
    "no JSON": b"<html>sign in here</html>",
    "half": b'{"metadata":{"name":"a"',
    "null": b"null",
    "list": b"[]",
    "text": b'"a"',
    "no metadata": b"{}",
    "name is a number": b'{"metadata":{"name":5}}',
    "annotations are a list": b'{"metadata":{"name":"a","annotations":["x"]}}',
    "an annotation is a number": b'{"metadata":{"name":"a","annotations":{"x":5}}}',
    "no UTF-8": b'{"metadata":{"name":"\xff\xfe"}}',
    "nested for ever": b'{"metadata":' + b"[" * 100_000,
    "nested and closed": b'{"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_pod_or_definition_that_makes_no_sense_is_a_coded_error(
    content: bytes, opened: Opened
) -> None:
    source = ApiSource(opened(lambda _: body(content)), NODE)

    for ask in (source.pod, source.definition):
        with pytest.raises(DecodeError, match=r"not readable|nested too deeply") as refused:
            ask("default", "a")
        assert refused.value.code == 6
        assert refused.value.hint


@pytest.mark.parametrize("meta", [{"name": "b"}, {"name": "a", "namespace": "other"}])
def test_another_object_than_was_asked_for_is_a_coded_error(
    meta: dict[str, str], opened: Opened
) -> None:
    source = ApiSource(opened(lambda _: body(json.dumps({"metadata": meta}).encode())), NODE)

    for ask in (source.pod, source.definition):
        with pytest.raises(DecodeError, match="got another object"):
            ask("default", "a")


def test_a_definition_whose_configuration_is_no_text_is_a_coded_error(opened: Opened) -> None:
    content = b'{"metadata":{"name":"a"},"spec":{"config":{"type":"bridge"}}}'

    with pytest.raises(DecodeError, match="not readable"):
        ApiSource(opened(lambda _: body(content)), NODE).definition("default", "a")


def _lying(_: str) -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"
    yield from endless(b"x" * 65536)


def _in_chunks(_: str) -> Iterable[bytes]:
    return chunked(endless(b"x" * 65536))


def _without_length(_: str) -> Iterable[bytes]:
    yield b"HTTP/1.1 200 OK\r\n\r\n"
    yield from endless(b"x" * 65536)


@pytest.mark.parametrize("answer", [_lying, _in_chunks, _without_length])
def test_an_answer_without_end_is_left(
    answer: Script, opened: Opened, peak: Callable[[], int]
) -> None:
    client = opened(answer)

    with pytest.raises(TooLongError) as refused:
        client.get(Query(path="/api/v1/pods"))

    assert refused.value.code == 11
    assert peak() < BOUND


def test_an_answer_that_drips_is_left_in_time(opened: Opened) -> None:
    def drip(_: str) -> Iterable[bytes]:
        yield b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
        while True:
            threading.Event().wait(0.05)
            yield b"x"

    client = opened(drip)
    begun = time.monotonic()

    with pytest.raises(TryAgainError):
        client.get(Query(path="/api/v1/pods"), timeout_s=0.4)

    assert time.monotonic() - begun < 3.0


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nx",
        b"HTTP/1.1 200 OK\r\n" + b"X-H: y\r\n" * 500 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX-H: " + b"y" * 200_000 + b"\r\n\r\n",
        b"",
    ],
    ids=["bytes", "status", "cut off", "chunk", "headers", "long header", "hang up"],
)
def test_what_is_no_http_is_to_be_tried_again(head: bytes) -> None:
    def once(_: str) -> Iterable[bytes]:
        yield head
        raise ValueError("hang up")

    with RawServer(once) as server:
        client = Client(server.access)

        with pytest.raises(TryAgainError) as refused:
            client.get(Query(path="/api/v1/pods"), timeout_s=2.0)

        client.close()
    assert refused.value.code == 11


def test_a_list_that_returns_to_its_beginning_is_left(opened: Opened) -> None:
    page = b'{"metadata":{"resourceVersion":"5","continue":"again"},"items":[]}'
    pages = Pages(opened(lambda _: body(page)), Query(path=DEFINITIONS), limit=500)

    with pytest.raises(DecodeError, match="does not come to an end"):
        list(pages.objects())


def test_a_list_with_ever_new_pages_is_left(opened: Opened) -> None:
    numbers = itertools.count()

    def page(_: str) -> Iterable[bytes]:
        return body(b'{"metadata":{"continue":"%d"},"items":[]}' % next(numbers))

    pages = Pages(opened(page), Query(path=DEFINITIONS), limit=500, most_pages=50)

    with pytest.raises(DecodeError, match="does not come to an end"):
        list(pages.objects())

    assert next(numbers) == 50


def test_pages_that_are_too_long_are_asked_for_with_fewer_objects(opened: Opened) -> None:
    asked: list[int] = []

    def page(target: str) -> Iterable[bytes]:
        limit = int(target.partition("limit=")[2].partition("&")[0])
        asked.append(limit)
        item = b'{"metadata":{"name":"a"},"spec":{"config":"' + b"x" * 400_000 + b'"}}'
        items = b",".join([item] * limit)
        return body(b'{"metadata":{"resourceVersion":"5"},"items":[' + items + b"]}")

    pages = Pages(opened(page), Query(path=DEFINITIONS), limit=500)

    found = sum(1 for _ in pages.objects())

    assert (asked, found, pages.version) == ([500, 50, 5], 5, "5")


def test_a_list_of_running_pods_has_an_end_too(opened: Opened) -> None:
    page = b'{"metadata":{"continue":"again"},"items":[]}'

    with pytest.raises(DecodeError, match="does not come to an end"):
        running.asking(opened(lambda _: body(page)), NODE)


def test_one_object_that_makes_no_sense_costs_itself_alone() -> None:
    with FakeApiServer() as api:
        api.put(DEFINITIONS, definition("good"))
        api.put(DEFINITIONS, {**definition("bad"), "spec": {"config": 5}})
        client = Client(api.access)
        source = ApiSource(client, NODE)
        source.start()

        assert source.wait_synced(10)
        assert [one.name for one in source.definitions()] == ["good"]
        with pytest.raises(DecodeError):
            source.definition("default", "bad")

        source.stop()
        client.close()


WATCHES = {
    "no JSON": b"<html>\n",
    "null": b"null\n",
    "no object": b'{"type":"ADDED"}\n',
    "object is a number": b'{"type":"ADDED","object":5}\n',
    "type is a number": b'{"type":5,"object":{}}\n',
    "error without words": b'{"type":"ERROR","object":{}}\n',
    "error is a text": b'{"type":"ERROR","object":"x"}\n',
    "nested for ever": b'{"type":"ADDED","object":' + b"[" * 100_000 + b"\n",
    "a line without end": b"x" * (MAX_LINE + 10),
}


@pytest.mark.parametrize("line", WATCHES.values(), ids=WATCHES.keys())
def test_a_watch_that_makes_no_sense_leads_to_a_new_list(line: bytes, opened: Opened) -> None:
    lists: list[str] = []

    def script(target: str) -> Iterable[bytes]:
        if "watch=1" in target:
            return chunked([line])
        if target.startswith(DEFINITIONS):
            lists.append(target)
        return body(EMPTY)

    source = ApiSource(opened(script), NODE)
    source.start()

    soon(lambda: len(lists) >= 2)

    source.stop()
    assert source.is_synced


def test_a_flood_of_large_objects_is_kept_within_a_bound(peak: Callable[[], int]) -> None:
    kept = Kept(read_definition, read_definition_change, definition_size)
    text = json.dumps("x" * 100_000)

    for number in range(400):
        kept.hear(
            b'{"type":"ADDED","object":'
            b'{"metadata":{"name":"n%d","namespace":"ns"},"spec":{"config":%s}}}'
            % (number, text.encode())
        )

    assert kept.size_bytes <= MAX_TOGETHER
    assert 60 < len(kept.all()) < 100
    assert peak() < 2 * MAX_TOGETHER


def test_what_is_not_kept_is_read_when_it_is_asked_for() -> None:
    large = "x" * (MAX_OBJECT + 1)
    with FakeApiServer() as api:
        api.put(DEFINITIONS, definition("large", large))
        api.put(DEFINITIONS, definition("grows", "small"))
        client = Client(api.access)
        source = ApiSource(client, NODE)
        source.start()
        assert source.wait_synced(10)
        api.put(DEFINITIONS, definition("grows", large))
        soon(lambda: source.definitions() == ())

        for name in ("large", "grows"):
            found = source.definition("default", name)
            assert found is not None and found.config == large

        source.stop()
        client.close()


def test_an_object_that_shrinks_is_kept_again() -> None:
    kept = Kept(read_definition, read_definition_change, definition_size, max_bytes=2000)

    def put(name: str, size: int) -> None:
        line = b'{"type":"MODIFIED","object":{"metadata":{"name":"%s"},"spec":{"config":"%s"}}}'
        kept.hear(line % (name.encode(), b"x" * size))

    put("a", 1300)
    put("b", 1300)
    put("a", 10)
    put("b", 500)

    assert sorted(one.name for one in kept.all()) == ["a", "b"]
    assert kept.size_bytes == 1710


def test_a_redirect_leads_nowhere(opened: Opened) -> None:
    script: Script = lambda _: [  # noqa: E731 - two lines of bytes
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/steal\r\nContent-Length: 0\r\n\r\n"
    ]

    with pytest.raises(PolypodError) as refused:
        ApiSource(opened(script), NODE).pod("default", "a")

    assert refused.value.slug in {"decode", "api-server"}
