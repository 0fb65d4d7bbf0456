"""Section H: which address host-local chooses, and which ranges it takes."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from tests.conformance.cni_leases import conf
from tests.conformance.cni_rows import row, table
from tests.conformance.cni_world import Answer, World

from polypod.errors import PluginError
from polypod.ipam import ranges

Range = dict[str, str]


def add(leases: World, *sets: list[Range], container: str = "dummy", ask: str = "") -> Answer:
    config = conf(leases, ipam={"ranges": list(sets)})
    return leases.call(
        "host-local", "ADD", config, CONTAINERID=container, ARGS=f"IP={ask}" if ask else ""
    )


def given(answer: Answer) -> str:
    """Return the one address of a result, without its length."""
    (ip,) = answer.ok()["ips"]
    return str(ip["address"]).partition("/")[0]


def prepare(leases: World, used: list[str], last: str) -> None:
    folder = leases.data / "mynet"
    folder.mkdir()
    for address in used:
        (folder / address).write_bytes(b"somebody\r\neth0")
    if last:
        (folder / "last_reserved_ip.0").write_text(last)


SMALL: list[Range] = [{"subnet": "10.0.0.0/29"}]
PAIR: list[Range] = [{"subnet": "10.0.0.0/30"}, {"subnet": "10.0.1.0/30"}]


@table(
    "one, used, last, wanted",
    ("H1", SMALL, [], "", "10.0.0.2"),
    ("H2", [{"subnet": "2001:db8:1::/64"}], [], "", "2001:db8:1::2"),
    ("H4", SMALL, ["10.0.0.2"], "", "10.0.0.3"),
    ("H5", SMALL, [], "10.0.0.5", "10.0.0.6"),
    ("H7", SMALL, ["10.0.0.6"], "10.0.0.5", "10.0.0.2"),
    ("H8", SMALL, ["10.0.0.2"], "10.0.0.128", "10.0.0.3"),
    ("H10", PAIR, [], "", "10.0.0.2"),
    ("H11", PAIR, [], "10.0.0.2", "10.0.1.2"),
)
def test_the_next_free_address_is_taken(
    leases: World, one: list[Range], used: list[str], last: str, wanted: str
) -> None:
    prepare(leases, used, last)

    assert given(add(leases, one)) == wanted
    assert leases.lease_files()["last_reserved_ip.0"] == wanted
    assert leases.lease_files()[wanted] == "dummy\r\neth0"


@row("H13")
def test_a_subnet_is_used_up(leases: World) -> None:
    one = [{"subnet": "192.168.1.0/29"}]

    found = [given(add(leases, one, container=f"c{number}")) for number in range(5)]

    assert found == [f"192.168.1.{number}" for number in range(2, 7)]
    assert add(leases, one, container="c6").error[1] == (
        "failed to allocate for range 0: no IP addresses available in range set:"
        " 192.168.1.1-192.168.1.6"
    )


@row("H14")
def test_a_freed_address_is_not_the_next_one(leases: World) -> None:
    one = [{"subnet": "192.168.1.0/29"}]
    first = given(add(leases, one))

    leases.call("host-local", "DEL", conf(leases, ipam={"ranges": [one]})).ok()

    assert (first, given(add(leases, one))) == ("192.168.1.2", "192.168.1.3")


@row("H16")
def test_an_address_that_is_held_cannot_be_asked_for(leases: World) -> None:
    one = [{"subnet": "192.168.1.0/29"}]
    assert given(add(leases, one, ask="192.168.1.5")) == "192.168.1.5"

    again = add(leases, one, ask="192.168.1.5")

    assert again.error[1] == (
        "failed to allocate for range 0: requested IP address 192.168.1.5 is not available"
        " in range set 192.168.1.1-192.168.1.6"
    )


@table(
    "one, ask",
    ("H17", {"subnet": "192.168.1.0/29", "rangeEnd": "192.168.1.4"}, "192.168.1.5"),
    ("H17-start", {"subnet": "192.168.1.0/29", "rangeStart": "192.168.1.3"}, "192.168.1.2"),
    ("H40", {"subnet": "192.168.1.0/29"}, "192.168.99.99"),
)
def test_an_address_outside_the_range_cannot_be_asked_for(
    leases: World, one: Range, ask: str
) -> None:
    answer = add(leases, [one], ask=ask)

    assert answer.error[1] == f"failed to allocate all requested IPs: {ask}"
    assert set(leases.lease_files()) == {"last_reserved_ip.0"}


@table(
    "one, last, wanted",
    ("H19", [{"subnet": "192.168.1.0/29"}], "", [f"192.168.1.{n}" for n in range(2, 7)]),
    (
        "H20",
        [{"subnet": "192.168.1.0/29"}],
        "192.168.1.6",
        [f"192.168.1.{n}" for n in range(2, 7)],
    ),
    (
        "H22",
        [
            {
                "subnet": f"192.168.{n}.0/30",
                "rangeStart": f"192.168.{n}.0",
                "rangeEnd": f"192.168.{n}.3",
            }
            for n in (1, 2)
        ],
        "192.168.1.3",
        [
            "192.168.2.0",
            "192.168.2.2",
            "192.168.2.3",
            "192.168.1.0",
            "192.168.1.2",
            "192.168.1.3",
        ],
    ),
)
def test_a_walk_passes_every_address_once(one: list[Range], last: str, wanted: list[str]) -> None:
    parsed = ranges.parse_set(one, 0)

    assert [str(address) for address, _ in ranges.walk(parsed, last)] == wanted


@table(
    "subnet, start, end, gateway",
    ("H23", "192.0.2.0/24", "192.0.2.1", "192.0.2.254", "192.0.2.1"),
    (
        "H25",
        "2001:db8:1::/64",
        "2001:db8:1::1",
        "2001:db8:1::ffff:ffff:ffff:ffff",
        "2001:db8:1::1",
    ),
)
def test_a_subnet_alone_is_a_range(subnet: str, start: str, end: str, gateway: str) -> None:
    found = ranges.parse({"subnet": subnet})

    wanted = [ip_address(one) for one in (start, end, gateway)]
    assert [found.start, found.end, found.gateway] == wanted


BITS = "Network has host bits set. For a subnet mask of length {} the network address is {}"


@table(
    "entry, msg",
    ("H26", {"subnet": "192.0.2.12/24"}, BITS.format(24, "192.0.2.0")),
    ("H28", {"subnet": "2001:DB8:24:19ff::/63"}, BITS.format(63, "2001:db8:24:19fe::")),
    ("H29", {"subnet": "192.168.127.0/23"}, BITS.format(23, "192.168.126.0")),
    (
        "H31",
        {"subnet": "192.0.2.0/24", "rangeStart": "192.0.3.0"},
        "RangeStart 192.0.3.0 not in network 192.0.2.0/24",
    ),
    (
        "H32",
        {"subnet": "192.0.2.0/24", "rangeEnd": "192.0.4.0"},
        "RangeEnd 192.0.4.0 not in network 192.0.2.0/24",
    ),
    ("H32-small", {"subnet": "10.1.2.0/31"}, "Network 10.1.2.0/31 too small to allocate from"),
    ("H32-v6", {"subnet": "fd00::/127"}, "Network fd00::/127 too small to allocate from"),
    ("H32-mapped", {"subnet": "::ffff:10.1.2.0/120"}, "IPNet IP and Mask version mismatch"),
    (
        "H32-order",
        {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.5"},
        "RangeStart 10.1.2.9 not in network 10.1.2.0/24",
    ),
)
def test_a_range_that_cannot_be(leases: World, entry: Range, msg: str) -> None:
    answer = add(leases, [entry])

    assert answer.error[1] == f"invalid range set 0: {msg}"
    assert leases.lease_files() == {}


@table(
    "entry, msg",
    ("H32-text", {"subnet": "banana"}, "invalid CIDR address: banana"),
    ("H32-empty", {"subnet": ""}, "invalid CIDR address: "),
    (
        "H32-mask",
        {"subnet": "10.1.2.0/255.255.255.0"},
        "invalid CIDR address: 10.1.2.0/255.255.255.0",
    ),
    ("H32-zone", {"subnet": "fd00::%eth0/64"}, "invalid CIDR address: fd00::%eth0/64"),
    ("H32-length", {"subnet": "10.1.2.0/33"}, "invalid CIDR address: 10.1.2.0/33"),
    (
        "H32-address",
        {"subnet": "10.1.2.0/24", "rangeStart": "x"},
        "invalid IP address: x",
    ),
)
def test_a_range_that_cannot_be_read(leases: World, entry: Range, msg: str) -> None:
    assert add(leases, [entry]).error == (999, msg, "")


@table(
    "subnet, numbers",
    ("H34", "192.0.2.", {"39": False, "40": True, "50": True, "51": False}),
    ("H35", "2001:db8:1::", {"39": False, "40": True, "50": True, "51": False}),
)
def test_both_ends_belong_to_a_range(subnet: str, numbers: dict[str, bool]) -> None:
    entry: dict[str, Any] = {
        "subnet": f"{subnet}0/24" if "." in subnet else f"{subnet}/64",
        "rangeStart": f"{subnet}40",
        "rangeEnd": f"{subnet}50",
        "gateway": f"{subnet}254",
    }

    found = ranges.parse(entry)

    assert {one: ip_address(f"{subnet}{one}") in found for one in numbers} == numbers


@table(
    "one, other, wanted",
    ("H37", "0.0.0.0/24", "::/24", False),
    ("H38", "10.0.0.0/20", "10.0.1.0/24", True),
    ("H38-same", "10.0.0.0/20", "10.0.0.0/20", True),
)
def test_two_ranges_overlap(one: str, other: str, wanted: bool) -> None:  # noqa: FBT001
    pair = [ranges.parse({"subnet": subnet}) for subnet in (one, other)]

    assert [ranges.overlap(*pair), ranges.overlap(*reversed(pair))] == [wanted, wanted]


@row("H41")
def test_the_ranges_of_a_set_may_not_overlap() -> None:
    with pytest.raises(PluginError) as caught:
        ranges.parse_set([{"subnet": "192.168.0.0/20"}, {"subnet": "192.168.2.0/24"}], 0)

    assert caught.value.cause == (
        "invalid range set 0: subnets 192.168.0.1-192.168.15.254"
        " and 192.168.2.1-192.168.2.254 overlap"
    )
