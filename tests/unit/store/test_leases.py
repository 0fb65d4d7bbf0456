"""host-local's files: what crashes, full disks, links and other programs can do to them."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest

from polypod.errors import InvalidConfigError, StorageError
from polypod.store.leases import LeaseFiles

NET = "mynet"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def leases(root: Path) -> LeaseFiles:
    return LeaseFiles(default=root / "networks", roots=(root,))


def test_files_are_the_references_to_the_byte(leases: LeaseFiles, root: Path) -> None:
    with leases.locked("", NET) as pool:
        pool.reserve("10.1.2.2", "c1", "net1")
        pool.keep_last_reserved(0, "10.1.2.2")

    folder = root / "networks" / NET
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
        "10.1.2.2": b"c1\r\nnet1",
        "last_reserved_ip.0": b"10.1.2.2",
        "lock": b"",
    }
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (folder / "10.1.2.2").stat().st_mode & 0o777 == 0o600
    assert (folder / "lock").stat().st_mode & 0o777 == 0o750


def test_a_shorter_last_address_leaves_nothing_of_a_longer_one(leases: LeaseFiles) -> None:
    with leases.locked("", NET) as pool:
        pool.keep_last_reserved(0, "10.100.200.250")
        pool.keep_last_reserved(0, "10.1.2.3")

        assert pool.last_reserved(0) == "10.1.2.3"


def test_an_empty_file_that_a_crash_left_is_given_out(leases: LeaseFiles, root: Path) -> None:
    folder = root / "networks" / NET
    folder.mkdir(parents=True)
    (folder / "10.1.2.2").touch()

    with leases.locked("", NET) as pool:
        before, taken, again = (
            pool.owner("10.1.2.2"),
            pool.reserve("10.1.2.2", "c1", "net1"),
            pool.reserve("10.1.2.2", "c2", "net1"),
        )

    assert (before, taken, again) == (None, True, False)
    assert (folder / "10.1.2.2").read_bytes() == b"c1\r\nnet1"


def test_a_legacy_file_belongs_to_its_container_only_without_newer_ones(
    leases: LeaseFiles, root: Path
) -> None:
    folder = root / "networks" / NET
    folder.mkdir(parents=True)
    (folder / "10.1.2.2").write_bytes(b"c1\n")
    (folder / "10.1.2.3").write_bytes(b"c1\nnet1")

    with leases.locked("", NET) as pool:
        owned = pool.owned("c1", "net1")
        freed = pool.release("c1", "net1")

    assert owned == freed == ("10.1.2.2",)
    assert (folder / "10.1.2.3").exists()


@pytest.mark.parametrize("kind", ["link", "fifo", "folder"])
def test_what_is_no_plain_file_is_taken_and_never_waited_for(
    leases: LeaseFiles, root: Path, kind: str
) -> None:
    folder = root / "networks" / NET
    folder.mkdir(parents=True)
    place, outside = folder / "10.1.2.2", root / "outside"
    outside.write_bytes(b"")
    make = {"link": lambda: place.symlink_to(outside), "fifo": lambda: os.mkfifo(place)}
    make.get(kind, place.mkdir)()

    with leases.locked("", NET) as pool:
        assert pool.owner("10.1.2.2") is None
        assert not pool.reserve("10.1.2.2", "c1", "net1")

    assert outside.read_bytes() == b""


def test_a_network_folder_that_is_a_link_out_of_the_roots_is_refused(
    leases: LeaseFiles, root: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / NET).symlink_to(elsewhere)

    with (
        pytest.raises(InvalidConfigError, match="outside the folders"),
        leases.locked(str(root), NET),
    ):
        pass

    assert list(elsewhere.iterdir()) == []


def test_a_lock_that_is_a_link_is_refused(leases: LeaseFiles, root: Path, tmp_path: Path) -> None:
    folder = root / "networks" / NET
    folder.mkdir(parents=True)
    (folder / "lock").symlink_to(tmp_path / "made")

    with pytest.raises(StorageError, match="lease lock"), leases.locked("", NET):
        pass

    assert not (tmp_path / "made").exists()


def test_the_lock_keeps_other_programs_out_while_it_is_held(leases: LeaseFiles, root: Path) -> None:
    with leases.locked("", NET) as pool:
        fd = os.open(root / "networks" / NET / "lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        assert pool.reserve("10.1.2.2", "c1", "net1")

    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_threads_never_get_one_address_twice(leases: LeaseFiles) -> None:
    got: list[int] = []

    def take(name: str) -> None:
        with leases.locked("", NET) as pool:
            number = next(n for n in range(2, 60) if pool.reserve(f"10.1.2.{n}", name, "net1"))
            got.append(number)

    threads = [threading.Thread(target=take, args=(f"c{n}",)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(got) == list(range(2, 42))


def test_resolv_conf_may_be_read_below_the_roots_only(
    leases: LeaseFiles, root: Path, tmp_path: Path
) -> None:
    (root / "resolv.conf").write_text("nameserver 192.0.2.1\n")
    (tmp_path / "secret").write_text("x")
    (root / "link").symlink_to(tmp_path / "secret")

    assert leases.resolv_conf(str(root / "resolv.conf")) == "nameserver 192.0.2.1\n"
    for path in (tmp_path / "secret", root / "link", root / ".." / "secret"):
        with pytest.raises(InvalidConfigError, match="outside the folders"):
            leases.resolv_conf(str(path))


# What another program does while our clock stands still: the index in memory is wrong then.


def hide_changes(leases: LeaseFiles) -> None:
    """Have the index believe that the folder is as it was."""
    (shelf,) = leases._shelves.values()
    shelf._stamp = shelf._stamp_now()


@pytest.fixture
def folder(leases: LeaseFiles, root: Path) -> Path:
    """A network's folder in which c1 has the first address, and the index knows it."""
    with leases.locked("", NET) as pool:
        pool.reserve("10.1.2.2", "c1", "net1")
    return root / "networks" / NET


def test_an_address_that_others_took_unseen_is_not_given_out(
    leases: LeaseFiles, folder: Path
) -> None:
    (folder / "10.1.2.3").write_bytes(b"other\r\neth0")
    hide_changes(leases)

    with leases.locked("", NET) as pool:
        assert not pool.reserve("10.1.2.3", "c2", "net1")
        assert pool.owner("10.1.2.3") == "other\r\neth0"


def test_an_address_that_others_freed_unseen_is_given_out(leases: LeaseFiles, folder: Path) -> None:
    (folder / "10.1.2.2").unlink()
    hide_changes(leases)

    with leases.locked("", NET) as pool:
        assert pool.owned("c1", "net1") == ()
        assert pool.reserve("10.1.2.2", "c2", "net1")


def test_an_empty_file_that_others_filled_unseen_is_theirs(
    leases: LeaseFiles, folder: Path
) -> None:
    (folder / "10.1.2.3").touch()
    with leases.locked("", NET):
        (folder / "10.1.2.3").write_bytes(b"other\r\neth0")

        with_index = leases._shelves[("", NET)]
        assert with_index.is_free("10.1.2.3")
    hide_changes(leases)

    with leases.locked("", NET) as pool:
        assert not pool.reserve("10.1.2.3", "c2", "net1")

    assert (folder / "10.1.2.3").read_bytes() == b"other\r\neth0"


def test_what_others_gave_unseen_is_released(leases: LeaseFiles, folder: Path) -> None:
    (folder / "10.1.2.9").write_bytes(b"c9\r\nnet1")
    hide_changes(leases)

    with leases.locked("", NET) as pool:
        assert pool.release("c9", "net1") == ("10.1.2.9",)


def test_an_address_that_changed_hands_unseen_stays_with_its_owner(
    leases: LeaseFiles, folder: Path
) -> None:
    (folder / "10.1.2.2").write_bytes(b"other\r\neth0")
    hide_changes(leases)

    with leases.locked("", NET) as pool:
        assert pool.release("c1", "net1") == ()

    assert (folder / "10.1.2.2").read_bytes() == b"other\r\neth0"


def test_a_lock_that_is_refused_is_asked_for_again_the_next_time(
    leases: LeaseFiles, folder: Path
) -> None:
    (shelf,) = leases._shelves.values()
    kept, shelf._lock = shelf._lock, os.open(folder, os.O_PATH)
    with pytest.raises(StorageError, match="lease lock"), shelf.locked():
        pass
    os.close(shelf._lock)
    shelf._lock = kept

    with leases.locked("", NET) as pool:
        assert pool.reserve("10.1.2.9", "c9", "net1")


def test_a_folder_that_cannot_be_read_is_read_again_the_next_time(
    leases: LeaseFiles, folder: Path
) -> None:
    (shelf,) = leases._shelves.values()
    shelf._stamp, kept = None, shelf._folder
    shelf._folder = os.open("/proc/self/status", os.O_RDONLY)
    with pytest.raises(StorageError, match="lease folder"), shelf.locked():
        pass
    os.close(shelf._folder)
    shelf._folder = kept

    with leases.locked("", NET) as pool:
        assert pool.owner("10.1.2.2") == "c1\r\nnet1"
    assert folder.is_dir()


def test_a_folder_that_was_replaced_is_opened_anew(leases: LeaseFiles, folder: Path) -> None:
    folder.rename(folder.with_name("moved"))

    with leases.locked("", NET) as pool:
        assert pool.reserve("10.1.2.2", "c2", "net1")

    assert (folder / "10.1.2.2").read_bytes() == b"c2\r\nnet1"


def test_a_lock_that_was_replaced_is_opened_anew(leases: LeaseFiles, folder: Path) -> None:
    (folder / "lock").unlink()

    with leases.locked("", NET):
        fd = os.open(folder / "lock", os.O_RDWR)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(fd)


def test_folders_kept_open_are_bounded(leases: LeaseFiles) -> None:
    before = len(os.listdir("/proc/self/fd"))

    for number in range(200):
        with leases.locked("", f"net{number}") as pool:
            pool.keep_last_reserved(0, "10.1.2.2")

    assert len(os.listdir("/proc/self/fd")) - before <= 64 * 3
