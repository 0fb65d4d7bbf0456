"""Section I: what host-local writes to its folder, and what it makes of what it finds there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.conformance.cni_leases import SETS, add, conf, error, one_each
from tests.conformance.cni_rows import row
from tests.conformance.cni_world import World


@row("I13")
def test_the_files_are_those_of_the_reference(leases: World) -> None:
    add(leases, conf(leases, ipam={"ranges": SETS}))

    assert leases.lease_files() == {
        "10.1.2.2": "dummy\r\neth0",
        "2001:db8:1::2": "dummy\r\neth0",
        "last_reserved_ip.0": "10.1.2.2",
        "last_reserved_ip.1": "2001:db8:1::2",
    }
    folder = leases.data / "mynet"
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert folder.stat().st_mode & 0o777 == 0o755
    assert (modes.pop("lock"), set(modes.values())) == (0o750, {0o600})


@row("I15")
def test_two_interfaces_of_one_container(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))
    assert [add(leases, config, IFNAME=f"eth{n}") for n in (0, 1)] == [
        ["10.1.2.2/24"],
        ["10.1.2.3/24"],
    ]

    leases.call("host-local", "DEL", config, IFNAME="eth0").ok()

    assert leases.lease_files() == {
        "10.1.2.3": "dummy\r\neth1",
        "last_reserved_ip.0": "10.1.2.3",
    }


@row("I16")
def test_a_second_address_for_one_attachment_is_refused(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))
    add(leases, config, CONTAINERID="one")

    msg = error(leases, config, CONTAINERID="one")

    assert msg == (
        "failed to allocate for range 0: 10.1.2.2 has been allocated to one,"
        " duplicate allocation is not allowed"
    )
    assert leases.lease_files()["10.1.2.2"] == "one\r\neth0"


@row("I18")
def test_del_of_what_is_unknown(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))

    assert leases.call("host-local", "DEL", config, CONTAINERID="nobody").code == 0


@row("I19")
def test_white_space_in_a_file_is_overlooked(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))
    folder = leases.data / "mynet"
    folder.mkdir()
    (folder / "10.1.2.7").write_bytes(b" dummy\r\neth0 \n")
    (folder / "10.1.2.8").write_bytes(b"dummy\neth0")

    leases.call("host-local", "DEL", config).ok()

    assert leases.lease_files() == {"10.1.2.8": "dummy\neth0"}


@row("I27")
def test_a_set_that_is_used_up_gives_back_what_others_gave(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24", "10.1.3.0/30"))
    add(leases, config, CONTAINERID="first")

    msg = error(leases, config, CONTAINERID="second")

    assert msg == (
        "failed to allocate for range 1: no IP addresses available in range set: 10.1.3.1-10.1.3.2"
    )
    assert leases.lease_files() == {
        "10.1.2.2": "first\r\neth0",
        "10.1.3.2": "first\r\neth0",
        "last_reserved_ip.0": "10.1.2.3",
        "last_reserved_ip.1": "10.1.3.2",
    }


@row("I28")
def test_a_damaged_note_of_the_last_address_is_overlooked(leases: World) -> None:
    (leases.data / "mynet").mkdir()
    (leases.data / "mynet" / "last_reserved_ip.0").write_text("garbage")

    assert add(leases, conf(leases, ipam=one_each("10.1.2.0/24"))) == ["10.1.2.2/24"]


@row("I31")
def test_check_asks_whether_there_is_an_address(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))
    add(leases, config)

    assert leases.call("host-local", "CHECK", config).code == 0
    assert leases.call("host-local", "CHECK", config, CONTAINERID="nobody").error == (
        999,
        "host-local: Failed to find address added by container nobody",
        "",
    )


def test_del_frees_files_of_the_old_form_when_there_are_none_of_the_new(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))
    folder = leases.data / "mynet"
    folder.mkdir()
    (folder / "10.1.2.9").write_text("dummy")
    add(leases, {**config, "ipam": {**config["ipam"], **one_each("10.1.3.0/24")}})

    leases.call("host-local", "DEL", config).ok()
    assert "10.1.2.9" in leases.lease_files() and "10.1.3.2" not in leases.lease_files()
    leases.call("host-local", "DEL", config).ok()
    assert "10.1.2.9" not in leases.lease_files()


def test_forty_at_once_get_forty_addresses(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))

    def one(number: int) -> str:
        return add(leases, config, CONTAINERID=f"c{number}")[0]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(40)))

    assert len(set(found)) == 40
