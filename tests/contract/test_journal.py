"""What the engine may expect of a journal: SQLite on disk, and the one in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec
import pytest

from polypod.engine.doors import Journal
from polypod.plan import ops
from polypod.plan.facts import Where
from polypod.plan.ops import Identity
from polypod.plan.record import ForeignStep, LeaseStep, PluginStep, Record
from polypod.store.journal import SqliteJournal
from polypod.testing.store import FakeJournal

FULL = Record(
    container_id="c1",
    network="mynet",
    ifname="net1",
    called="polypod",
    display_name="default/a",
    position=1,
    pod_namespace="default",
    pod_name="p",
    pod_uid="u",
    netns="/run/netns/x",
    boot_id="b",
    cookie=2**64 - 1,
    created=1.5,
    duration_s=0.25,
    config=b'{"name":"mynet"}',
    steps=(
        LeaseStep(type="host-local", directory="/var/lib/cni/networks", network="mynet"),
        PluginStep(
            type="bridge",
            ops=(
                ops.AddBridge(name="br0"),
                ops.AddVeth(ifname="net1", host_name="veth0", master="br0"),
                ops.Configure(ifname="net1", routes=(ops.RouteSpec(dst="::/0", gw="fe80::1"),)),
                ops.SetLink(
                    where=Where.SANDBOX,
                    name="net1",
                    mtu=1400,
                    previous=ops.SetLink(where=Where.SANDBOX, name="net1", mtu=1500),
                ),
                ops.KeepBackup(directory="/run/cni/tuning", name="c1_net1.json", content="{}"),
            ),
            identities=(None, Identity(index=7, mac="02:00:00:00:00:01"), None, None, None),
        ),
        ForeignStep(type="vendor", config=b'{"type":"vendor"}', path=("/opt/cni/bin",)),
    ),
    result=b'{"cniVersion":"1.1.0"}',
)


def record(container_id: str, ifname: str, position: int, network: str = "mynet") -> Record:
    return Record(container_id=container_id, network=network, ifname=ifname, position=position)


@pytest.fixture
def journal(which: str, folder: Path) -> Journal:
    return FakeJournal() if which == "memory" else SqliteJournal(folder / "state" / "journal.db")


def test_what_is_put_comes_back_whole(journal: Journal) -> None:
    journal.put(FULL)

    assert journal.of_container("c1") == (FULL,)


def test_a_second_put_replaces_the_first(journal: Journal) -> None:
    journal.put(msgspec.structs.replace(FULL, result=b"", steps=()))
    journal.put(FULL)

    assert journal.all() == (FULL,)


def test_records_come_in_order_of_position(journal: Journal) -> None:
    for name, position in (("net2", 2), ("eth0", 0), ("net1", 1)):
        journal.put(record("c1", name, position))

    assert [found.ifname for found in journal.of_container("c1")] == ["eth0", "net1", "net2"]


def test_containers_are_kept_apart(journal: Journal) -> None:
    for container_id in ("b", "a"):
        journal.put(record(container_id, "eth0", 0))
        journal.put(record(container_id, "net1", 1))

    assert [(found.container_id, found.ifname) for found in journal.all()] == [
        ("a", "eth0"), ("a", "net1"), ("b", "eth0"), ("b", "net1"),
    ]  # fmt: skip
    assert {found.container_id for found in journal.of_container("a")} == {"a"}


def test_one_network_twice_is_two_records(journal: Journal) -> None:
    journal.put(record("c1", "net1", 1))
    journal.put(record("c1", "net2", 2))
    journal.remove(record("c1", "net1", 1))

    assert [found.ifname for found in journal.all()] == ["net2"]


def test_removing_what_is_not_there_is_fine(journal: Journal) -> None:
    journal.remove(FULL)

    assert journal.all() == ()
    assert journal.of_container("c1") == ()


def test_several_are_put_and_removed_together(journal: Journal) -> None:
    one, two = record("c1", "net1", 1), record("c1", "net2", 2)

    journal.put(one, two)
    both = journal.of_container("c1")
    journal.remove(one, two, FULL)

    assert both == (one, two)
    assert journal.all() == ()
    journal.put()
    journal.remove()
    assert journal.all() == ()


def test_a_pod_is_known_while_another_of_its_containers_has_a_record(journal: Journal) -> None:
    old = msgspec.structs.replace(record("old", "net1", 1), pod_namespace="ns", pod_name="p")
    new = msgspec.structs.replace(record("new", "net1", 1), pod_namespace="ns", pod_name="p")
    journal.put(old, new)

    with_both = [
        journal.has_pod(namespace, name, besides="old")
        for namespace, name in (("ns", "p"), ("ns", "q"), ("", "p"))
    ]
    journal.remove(old)
    with_one = [journal.has_pod("ns", "p", besides=name) for name in ("old", "new")]
    journal.remove(new)

    assert with_both == [True, False, False]
    assert with_one == [True, False]
    assert not journal.has_pod("ns", "p", besides="")


def test_threads_at_once_lose_nothing(journal: Journal) -> None:
    def works(number: int) -> None:
        for position in range(10):
            journal.put(record(f"c{number}", f"net{position}", position))
        journal.remove(*(record(f"c{number}", f"net{position}", position) for position in range(5)))

    threads = [threading.Thread(target=works, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(journal.all()) == 80
