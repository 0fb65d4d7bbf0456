"""What an IPAM may expect of address pools: host-local's files, and the ones in memory."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from polypod.errors import InvalidConfigError, StorageError
from polypod.ipam._shape import Pools
from polypod.store.leases import LeaseFiles
from polypod.testing.store import FakePools


@pytest.fixture
def pools(which: str, folder: Path) -> Pools:
    if which == "memory":
        return FakePools()
    return LeaseFiles(default=folder / "networks", roots=(folder,))


def test_an_address_belongs_to_whoever_was_first(pools: Pools) -> None:
    with pools.locked("", "mynet") as pool:
        taken = [pool.reserve("10.0.0.2", name, "net1") for name in ("c1", "c2")]

        assert taken == [True, False]
        assert pool.owner("10.0.0.2") == "c1\r\nnet1"
        assert pool.owner("10.0.0.3") is None


def test_what_is_reserved_outlives_the_lock(pools: Pools) -> None:
    with pools.locked("", "mynet") as pool:
        pool.reserve("10.0.0.2", "c1", "net1")
        pool.reserve("2001:db8::2", "c1", "net1")
        pool.reserve("10.0.0.3", "c1", "net2")

    with pools.locked("", "mynet") as pool:
        assert sorted(pool.owned("c1", "net1")) == ["10.0.0.2", "2001:db8::2"]
        assert pool.owned("c2", "net1") == ()


def test_a_release_frees_one_attachment_only(pools: Pools) -> None:
    with pools.locked("", "mynet") as pool:
        for address, ifname in (("10.0.0.2", "net1"), ("10.0.0.3", "net1"), ("10.0.0.4", "net2")):
            pool.reserve(address, "c1", ifname)

        assert sorted(pool.release("c1", "net1")) == ["10.0.0.2", "10.0.0.3"]
        assert pool.release("c1", "net1") == ()
        assert pool.owned("c1", "net2") == ("10.0.0.4",)
        assert pool.reserve("10.0.0.2", "c2", "net1")


def test_networks_are_kept_apart(pools: Pools) -> None:
    with pools.locked("", "one") as pool:
        pool.reserve("10.0.0.2", "c1", "net1")

    with pools.locked("", "other") as pool:
        assert pool.owner("10.0.0.2") is None
        assert pool.reserve("10.0.0.2", "c2", "net1")


def test_a_set_remembers_what_it_handed_out_last(pools: Pools) -> None:
    with pools.locked("", "mynet") as pool:
        assert pool.last_reserved(0) == ""
        pool.keep_last_reserved(0, "10.0.0.2")
        pool.keep_last_reserved(1, "2001:db8::2")
        pool.keep_last_reserved(0, "10.0.0.3")

    with pools.locked("", "mynet") as pool:
        assert [pool.last_reserved(place) for place in (0, 1, 2)] == ["10.0.0.3", "2001:db8::2", ""]


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a\0b"])
def test_a_network_whose_name_is_no_file_name_is_refused(pools: Pools, name: str) -> None:
    with pytest.raises(InvalidConfigError, match="invalid network name"), pools.locked("", name):
        pass


def test_a_resolv_conf_that_is_not_there_is_an_error(pools: Pools, folder: Path) -> None:
    with pytest.raises(StorageError, match="no such file or directory"):
        pools.resolv_conf(str(folder / "none"))


def test_threads_at_once_get_addresses_of_their_own(pools: Pools) -> None:
    got: list[str] = []

    def takes(number: int) -> None:
        for _ in range(4):
            with pools.locked("", "mynet") as pool:
                free = next(a for n in range(2, 200) if pool.owner(a := f"10.0.0.{n}") is None)
                assert pool.reserve(free, f"c{number}", "net1")
            got.append(free)

    threads = [threading.Thread(target=takes, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(got)) == 32
