"""A node whose disk is full: ADD refuses before it changes anything, DEL does all of its work."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from polypod.cni import request as cni_request
from polypod.daemon.doors import open_doors
from polypod.daemon.options import Options
from polypod.engine import attach, detach
from polypod.engine.doors import Caller, Doors
from polypod.errors import StorageError
from polypod.store.journal import SqliteJournal

PRIMARY = {
    "cniVersion": "1.0.0",
    "name": "cluster",
    "type": "bridge",
    "bridge": "full0",
    "ipam": {"type": "host-local", "subnet": "10.7.0.0/24"},
}
STDIN = b'{"cniVersion": "1.0.0", "name": "polypod", "type": "polypod"}'


class Disk:
    """A disk of 300 KiB, with the node's state on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "state"
        self.leases = folder / "data" / "networks" / "cluster"
        self._ballast = folder / "ballast"
        folder.mkdir()
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], check=True
        )

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    continue

    def make_room(self) -> None:
        self._ballast.unlink()

    def open(self) -> Doors:
        return open_doors(
            Options(
                state=self.state,
                data_root=self.folder / "data",
                primary=self.folder.parent / "primary.conf",
            )
        )

    def given_out(self) -> list[str]:
        return sorted(path.name for path in self.leases.glob("10.*"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    (tmp_path / "primary.conf").write_text(json.dumps(PRIMARY))
    disk = Disk(tmp_path / "disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk.folder)], check=True)


@pytest.fixture
def pods() -> Iterator[tuple[str, str]]:
    names = (f"first-{os.getpid()}", f"second-{os.getpid()}")
    for name in names:
        subprocess.run(["ip", "netns", "add", name], check=True)
    yield names
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=True)
    subprocess.run(["ip", "link", "del", "full0"], check=False, capture_output=True)


def call(command: str, pod: str) -> cni_request.Request:
    variables = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": pod,
        "CNI_NETNS": f"/run/netns/{pod}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/nonexistent",
        "CNI_ARGS": "",
    }
    return cni_request.parse(variables, STDIN)


def add(doors: Doors, pod: str) -> None:
    attach.attach(call("ADD", pod), Caller(sandbox=f"/run/netns/{pod}"), doors)


def delete(doors: Doors, pod: str) -> None:
    detach.detach(call("DEL", pod), Caller(sandbox=f"/run/netns/{pod}"), doors)


def links(pod: str) -> list[str]:
    found = subprocess.run(
        ["ip", "-n", pod, "-j", "link"], check=True, capture_output=True, text=True
    )
    return [link["ifname"] for link in json.loads(found.stdout)]


def close(doors: Doors) -> None:
    assert isinstance(doors.journal, SqliteJournal)
    doors.journal.close()


def test_add_is_refused_and_leaves_nothing(disk: Disk, pods: tuple[str, str]) -> None:
    doors = disk.open()
    add(doors, pods[0])
    disk.fill()

    with pytest.raises(StorageError, match=r"(?i)full|no space"):
        add(doors, pods[1])

    assert links(pods[1]) == ["lo"]
    assert disk.given_out() == ["10.7.0.2"]
    assert [record.container_id for record in doors.journal.all()] == [pods[0]]
    delete(doors, pods[0])
    close(doors)


def test_del_does_its_work_and_is_recorded_later(disk: Disk, pods: tuple[str, str]) -> None:
    doors = disk.open()
    for pod in pods:
        add(doors, pod)
    disk.fill()

    delete(doors, pods[0])
    state = (links(pods[0]), disk.given_out(), len(doors.journal.all()))
    disk.make_room()
    delete(doors, pods[1])
    close(doors)

    assert state == (["lo"], ["10.7.0.3"], 1)
    again = disk.open()
    assert again.journal.all() == ()
    close(again)


def test_a_daemon_that_starts_on_a_full_disk_takes_networks_back(
    disk: Disk, pods: tuple[str, str]
) -> None:
    before = disk.open()
    add(before, pods[0])
    close(before)
    disk.fill()

    doors = disk.open()
    delete(doors, pods[0])

    assert (links(pods[0]), disk.given_out(), doors.journal.all()) == (["lo"], [], ())
    disk.make_room()
    close(doors)
