"""Without its API server a new daemon believes what was known last, of the very pod alone."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import pytest
from tests.contract.api_suite import definition, pod, soon

from polypod.errors import ApiError, TryAgainError
from polypod.kube.access import Access
from polypod.kube.cache import ApiSource
from polypod.kube.client import Client
from polypod.kube.last_known import LastKnown
from polypod.kube.pods import Pod
from polypod.store.snapshot import MAX_BYTES, SnapshotFile
from polypod.testing.api_http import DEFINITIONS, PODS
from polypod.testing.api_server import FakeApiServer

KEY = "k8s.v1.cni.cncf.io/networks"
NODE = "contract-node"
SOON_S = 10.0
SourceAt: TypeAlias = Callable[[int, SnapshotFile | None], ApiSource]


@pytest.fixture
def disk(tmp_path: Path) -> SnapshotFile:
    return SnapshotFile(tmp_path / "known.json")


@pytest.fixture
def api() -> Iterator[FakeApiServer]:
    with FakeApiServer() as server:
        yield server


@pytest.fixture
def source_at() -> Iterator[SourceAt]:
    """Make sources of servers at a port, and stop them in the end."""
    with contextlib.ExitStack() as ends:

        def make(port: int, disk: SnapshotFile | None) -> ApiSource:
            client = Client(Access(host="127.0.0.1", port=port, tls=False))
            ends.callback(client.close)
            source = ApiSource(client, NODE, disk=disk, keep_every_s=0.05, appear_s=0.1)
            ends.callback(source.stop)
            return source

        yield make


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.fixture
def uid(api: FakeApiServer, disk: SnapshotFile, source_at: SourceAt) -> str:
    """Let a daemon live until it has kept what it knows of a pod; return the pod's UID."""
    told = {"kubernetes.io/config.source": "file", "kubernetes.io/config.hash": "abc", KEY: "net"}
    api.put(PODS, pod("static", annotations=told))
    made = api.put(PODS, pod("a", annotations={KEY: "net", "other": "x" * 1000}))
    api.put(DEFINITIONS, definition("net", '{"type":"bridge"}'))
    source = source_at(api.port, disk)
    source.start()
    assert source.wait_synced(SOON_S)
    soon(lambda: b'"net"' in (disk.load() or b""))
    source.stop()
    return str(made["metadata"]["uid"])


def test_the_pod_and_its_networks_are_known_to_a_daemon_that_finds_no_server(
    uid: str, disk: SnapshotFile, source_at: SourceAt
) -> None:
    alone = source_at(closed_port(), disk)

    found, net = alone.pod("default", "a", uid), alone.definition("default", "net")

    assert found is not None and found.uid == uid and found.annotations == {KEY: "net"}
    assert net is not None and net.config == '{"type":"bridge"}'


@pytest.mark.parametrize("other", ["", "11111111-1111-1111-1111-111111111111"])
@pytest.mark.usefixtures("uid")
def test_another_pod_of_that_name_is_to_be_tried_again(
    other: str, disk: SnapshotFile, source_at: SourceAt
) -> None:
    alone = source_at(closed_port(), disk)

    with pytest.raises(TryAgainError) as refused:
        alone.pod("default", "a", other)

    assert refused.value.code == 11


@pytest.mark.usefixtures("uid")
def test_a_static_pod_is_known_by_its_hash(disk: SnapshotFile, source_at: SourceAt) -> None:
    alone = source_at(closed_port(), disk)

    found = alone.pod("default", "static", "abc")

    assert found is not None and found.static
    with pytest.raises(TryAgainError):
        alone.pod("default", "static", "another-hash")


def test_without_a_file_nothing_is_believed(uid: str, source_at: SourceAt) -> None:

    with pytest.raises(TryAgainError):
        source_at(closed_port(), None).pod("default", "a", uid)


def test_a_server_that_answers_is_believed_instead(
    uid: str, api: FakeApiServer, disk: SnapshotFile, source_at: SourceAt
) -> None:
    api.put(DEFINITIONS, definition("net", '{"type":"macvlan"}'))
    api.delete(PODS, "default", "a")
    source = source_at(api.port, disk)

    net = source.definition("default", "net")

    assert net is not None and net.config == '{"type":"macvlan"}'
    assert source.pod("default", "a", uid) is None


def test_a_server_that_is_there_and_ill_counts_as_away(
    uid: str, api: FakeApiServer, disk: SnapshotFile, source_at: SourceAt
) -> None:
    source = source_at(api.port, disk)
    api.fail_next = [503]

    found = source.pod("default", "a", uid)

    assert found is not None and found.uid == uid


def test_a_server_that_refuses_is_no_server_that_is_away(
    uid: str, api: FakeApiServer, disk: SnapshotFile, source_at: SourceAt
) -> None:
    source = source_at(api.port, disk)
    api.fail_next = [403]

    with pytest.raises(ApiError):
        source.pod("default", "a", uid)


def test_once_the_list_has_come_the_disk_is_not_asked_any_more(
    uid: str, api: FakeApiServer, disk: SnapshotFile, source_at: SourceAt
) -> None:
    api.delete(PODS, "default", "a")
    source = source_at(api.port, disk)
    source.start()
    assert source.wait_synced(SOON_S)
    api.fail_next = [503] * 20

    with pytest.raises(ApiError):
        source.pod("default", "a", uid)

    source.stop()


def test_a_server_that_was_away_is_not_asked_for_every_object(
    uid: str, api: FakeApiServer, disk: SnapshotFile, source_at: SourceAt
) -> None:
    source = source_at(api.port, disk)
    api.fail_next = [503]
    api.requests.clear()

    source.pod("default", "a", uid)
    source.definition("default", "net")

    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version":9,"pods":[],"definitions":[]}', b"x" * 100]
)
def test_a_damaged_file_is_as_none(content: bytes, disk: SnapshotFile) -> None:
    disk.save(content)

    assert LastKnown(disk, lambda: None).pod("default", "a", "u") is None


def test_a_file_that_is_too_long_is_neither_written_nor_read(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"x" * (MAX_BYTES + 1))

    assert SnapshotFile(tmp_path / "long").load() is None


def test_what_a_busy_node_knows_fits_into_the_file(disk: SnapshotFile) -> None:
    pods = tuple(
        Pod(namespace="ns", name=f"p{n}", uid=str(n), annotations={KEY: "x" * 200_000})
        for n in range(100)
    )
    last = LastKnown(disk, lambda: (pods, ()), every_s=0.0)
    last.start()
    last.note_change()

    soon(lambda: disk.load() is not None)

    last.stop(SOON_S)
    assert len(disk.load() or b"") < 5 << 20
    assert last.pod("ns", "p0", "0") is not None


@pytest.mark.usefixtures("uid")
def test_nothing_is_written_before_everything_is_known(
    disk: SnapshotFile, source_at: SourceAt
) -> None:
    before = disk.load()
    alone = source_at(closed_port(), disk)

    alone.start()
    assert not alone.wait_synced(0.3)
    alone.stop()

    assert disk.load() == before
