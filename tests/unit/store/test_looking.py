"""Pools that only look: they choose as host-local would, and leave the disk as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from polypod.errors import InvalidConfigError
from polypod.store.leases import LeaseFiles
from polypod.store.looking import LookingPools


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """A network in which somebody has an address."""
    with LeaseFiles(default=tmp_path / "pools", roots=[tmp_path]).locked("", "net") as pool:
        pool.reserve("10.0.0.2", "other", "eth0")
        pool.keep_last_reserved(0, "10.0.0.2")
    return tmp_path


def files(folder: Path) -> set[tuple[str, bytes]]:
    return {(str(p), p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def looking(folder: Path) -> LookingPools:
    return LookingPools(default=folder / "pools", roots=[folder])


def test_what_others_have_is_seen(taken: Path) -> None:
    with looking(taken).locked("", "net") as pool:
        assert pool.owner("10.0.0.2") == "other\r\neth0"
        assert pool.owned("other", "eth0") == ("10.0.0.2",)
        assert pool.last_reserved(0) == "10.0.0.2"
        assert not pool.reserve("10.0.0.2", "me", "net1")


def test_what_is_chosen_is_remembered_and_never_written(taken: Path) -> None:
    before = files(taken)
    pools = looking(taken)

    with pools.locked("", "net") as pool:
        assert pool.reserve("10.0.0.3", "me", "net1")
        pool.keep_last_reserved(0, "10.0.0.3")

    with pools.locked("", "net") as pool:
        assert not pool.reserve("10.0.0.3", "me", "net2")
        assert pool.owned("me", "net1") == ("10.0.0.3",)
        assert pool.last_reserved(0) == "10.0.0.3"
        assert pool.release("me", "net1") == ("10.0.0.3",)
        assert pool.owner("10.0.0.3") is None
    assert files(taken) == before


def test_a_network_that_was_never_used_needs_no_folder(tmp_path: Path) -> None:
    with looking(tmp_path).locked("", "new") as pool:
        assert pool.owner("10.0.0.2") is None
        assert pool.owned("me", "net1") == ()
        assert pool.last_reserved(0) == ""

    assert list(tmp_path.iterdir()) == []


def test_a_link_and_a_folder_are_no_lease(taken: Path) -> None:
    (taken / "pools" / "net" / "10.0.0.9").symlink_to("/etc/hostname")
    (taken / "pools" / "net" / "10.0.0.8").mkdir()

    with looking(taken).locked("", "net") as pool:
        assert pool.owner("10.0.0.9") is None
        assert pool.owner("10.0.0.8") is None


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidConfigError), looking(tmp_path).locked("", name):
        pass


def test_a_folder_outside_the_roots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigError), looking(tmp_path).locked("/etc", "net"):
        pass


def test_resolv_conf_is_read_below_the_roots(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("nameserver 10.0.0.1\n")

    found = looking(tmp_path).resolv_conf(str(tmp_path / "resolv.conf"))

    assert found == "nameserver 10.0.0.1\n"
