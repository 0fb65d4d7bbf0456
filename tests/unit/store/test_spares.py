"""Files that past leases left behind: taken once, never somebody's lease, and nobody needs them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from polypod.store.leases import LeaseFiles
from polypod.store.spares import LIMIT, Spares

Open = Callable[[], Spares]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    (tmp_path / "net").mkdir()
    return tmp_path / "net"


@pytest.fixture
def folder(net: Path) -> int:
    return os.open(net, os.O_RDONLY)


@pytest.fixture
def open_spares(tmp_path: Path) -> Open:
    return lambda: Spares(tmp_path / "spares")


def lease(net: Path, name: str, content: str = "c1\r\neth0") -> Path:
    path = net / name
    path.write_text(content)
    return path


def test_a_spare_becomes_the_next_file_whole(net: Path, folder: int, open_spares: Open) -> None:
    spares = open_spares()
    old = lease(net, "10.0.0.2", "a much longer container id\r\neth0")
    number = old.stat().st_ino
    assert spares.keep(folder, "10.0.0.2")
    assert not old.exists()

    assert spares.fill(folder, "10.0.0.9", b"c2\r\nnet1")

    assert (net / "10.0.0.9").read_bytes() == b"c2\r\nnet1"
    assert (net / "10.0.0.9").stat().st_ino == number
    assert not spares.fill(folder, "10.0.0.10", b"there is no second one")


def test_an_address_that_somebody_has_is_refused_and_untouched(
    net: Path, folder: int, open_spares: Open
) -> None:
    spares = open_spares()
    lease(net, "10.0.0.2")
    spares.keep(folder, "10.0.0.2")
    held = lease(net, "10.0.0.3", "theirs\r\neth0")

    with pytest.raises(FileExistsError):
        spares.fill(folder, "10.0.0.3", b"mine\r\neth0")

    assert held.read_bytes() == b"theirs\r\neth0"


def test_a_file_that_a_crash_left_with_both_names_is_not_written_over(
    tmp_path: Path, net: Path, folder: int, open_spares: Open
) -> None:
    held = lease(net, "10.0.0.2", "theirs\r\neth0")
    spares = open_spares()
    os.link(held, tmp_path / "spares" / "1")
    del spares
    again = open_spares()

    assert not again.fill(folder, "10.0.0.3", b"mine\r\neth0")

    assert held.read_bytes() == b"theirs\r\neth0"
    assert not (tmp_path / "spares" / "1").exists()


def test_what_is_left_of_an_earlier_process_is_used(
    net: Path, folder: int, open_spares: Open
) -> None:
    first = open_spares()
    lease(net, "10.0.0.2")
    first.keep(folder, "10.0.0.2")
    del first

    assert open_spares().fill(folder, "10.0.0.3", b"c2\r\neth0")


def test_only_one_process_uses_them(net: Path, folder: int, open_spares: Open) -> None:
    owner, other = open_spares(), open_spares()
    lease(net, "10.0.0.2")

    assert not other.keep(folder, "10.0.0.2")
    assert owner.keep(folder, "10.0.0.2")


def test_there_are_never_too_many(net: Path, folder: int, open_spares: Open) -> None:
    spares = open_spares()
    for number in range(LIMIT + 1):
        lease(net, f"10.1.{number // 250}.{number % 250}")

    kept = [
        spares.keep(folder, f"10.1.{number // 250}.{number % 250}") for number in range(LIMIT + 1)
    ]

    assert kept == [*[True] * LIMIT, False]


@pytest.mark.parametrize("what", ["a link", "a folder", "a pipe"])
def test_what_is_no_plain_file_is_passed_over(
    tmp_path: Path, net: Path, folder: int, open_spares: Open, what: str
) -> None:
    open_spares()
    odd = tmp_path / "spares" / "7"
    if what == "a link":
        odd.symlink_to(lease(net, "10.0.0.2", "theirs"))
    elif what == "a pipe":
        os.mkfifo(odd)
    else:
        odd.mkdir()

    assert not open_spares().fill(folder, "10.0.0.3", b"mine")

    assert sorted(path.name for path in net.iterdir() if path.name != "10.0.0.2") == []


def test_a_pool_gives_what_it_gave_without_them(tmp_path: Path, open_spares: Open) -> None:
    pools = LeaseFiles(default=tmp_path / "networks", roots=(tmp_path,), spares=open_spares())
    for cycle in range(3):
        with pools.locked("", "net") as pool:
            assert pool.reserve("10.0.0.2", f"c{cycle}", "eth0")
            assert not pool.reserve("10.0.0.2", "somebody", "eth0")
            assert pool.owner("10.0.0.2") == f"c{cycle}\r\neth0"
        with pools.locked("", "net") as pool:
            assert pool.release(f"c{cycle}", "eth0") == ("10.0.0.2",)

    assert [path.name for path in (tmp_path / "networks" / "net").iterdir()] == ["lock"]
