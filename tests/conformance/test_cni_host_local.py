"""Section I: host-local as a plugin: its ranges, and its results in every version."""

from __future__ import annotations

from typing import Any

from tests.conformance.cni_leases import SETS, add, conf, error, one_each
from tests.conformance.cni_rows import FLAT, each_version, row, table
from tests.conformance.cni_world import World

ROUTES = [
    {"dst": "0.0.0.0/0"},
    {"dst": "::/0"},
    {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
    {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"},
]


@row("I3")
def test_ranges_of_the_runtime_come_first(leases: World) -> None:
    ipam = {"subnet": "10.1.2.0/24", **one_each("11.1.2.0/24")}
    runtime = {"ipRanges": [[{"subnet": "12.1.3.0/24"}]]}

    found = add(leases, conf(leases, ipam=ipam, runtimeConfig=runtime))

    assert found == ["12.1.3.2/24", "10.1.2.2/24", "11.1.2.2/24"]


@table(
    "ipam, msg",
    (
        "I8",
        {"ranges": [[{"subnet": "10.1.0.0/22"}, {"subnet": "10.1.2.0/24"}]]},
        ("invalid range set 0: subnets 10.1.0.1-10.1.3.254 and 10.1.2.1-10.1.2.254 overlap"),
    ),
    (
        "I9",
        {"ranges": [[{"subnet": "10.1.0.0/22"}, {"subnet": "2001:db8:5::/64"}]]},
        "invalid range set 0: mixed address families",
    ),
    ("I9-empty", {"ranges": [[]]}, "invalid range set 0: empty range set"),
    ("I9-none", {}, "no IP ranges specified"),
    ("I9-sets", one_each("10.1.0.0/22", "10.1.2.0/24"), "range set 0 overlaps with 1"),
)
def test_ranges_that_cannot_be(leases: World, ipam: dict[str, Any], msg: str) -> None:
    assert error(leases, conf(leases, ipam=ipam)) == msg
    assert leases.lease_files() == {}


def test_a_configuration_without_ipam(leases: World) -> None:
    config = {"cniVersion": "1.0.0", "name": "mynet", "type": "host-local"}

    assert error(leases, config) == "IPAM config missing 'ipam' key"


@row("I11")
def test_an_old_version_may_have_one_address_of_each_family(leases: World) -> None:
    config = conf(leases, "0.2.0", one_each("10.1.2.0/24", "2001:db8:1::/64"))

    result = leases.call("host-local", "ADD", config).ok()

    assert result["ip4"]["ip"] == "10.1.2.2/24" and result["ip6"]["ip"] == "2001:db8:1::2/64"


@each_version("I12")
def test_a_result_has_everything(leases: World, version: str) -> None:
    resolv = leases.folder / "resolv.conf"
    resolv.write_text("nameserver 192.0.2.3\n")
    ipam = {"ranges": SETS, "routes": ROUTES, "resolvConf": str(resolv)}

    result = leases.call("host-local", "ADD", conf(leases, version, ipam)).ok()

    assert result["dns"] == {"nameservers": ["192.0.2.3"]}
    canonical = [
        {key: value.replace("::0/", "::/") for key, value in route.items()} for route in ROUTES
    ]
    if version in FLAT:
        assert result["ip4"] == {
            "ip": "10.1.2.2/24",
            "gateway": "10.1.2.1",
            "routes": [canonical[0], canonical[2]],
        }
        assert result["ip6"]["routes"] == [canonical[1], canonical[3]]
        return
    label = version < "1.0.0"
    assert result["routes"] == canonical and "interfaces" not in result
    assert result["ips"] == [
        {"address": "10.1.2.2/24", "gateway": "10.1.2.1", **({"version": "4"} if label else {})},
        {
            "address": "2001:db8:1::2/64",
            "gateway": "2001:db8:1::1",
            **({"version": "6"} if label else {}),
        },
    ]


@each_version("I21", FLAT)
def test_an_old_version_has_one_address_of_a_family(leases: World, version: str) -> None:
    config = conf(leases, version, one_each("10.1.2.0/24", "10.1.3.0/24"))

    wanted = f"CNI version {version} does not support more than 1 address per family"
    assert error(leases, config) == wanted


@row("I25")
def test_a_gateway_of_elsewhere_frees_the_first_address(leases: World) -> None:
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24", "gateway": "10.9.9.1"}]]}

    result = leases.call("host-local", "ADD", conf(leases, ipam=ipam)).ok()

    assert result["ips"] == [{"address": "10.1.2.1/24", "gateway": "10.9.9.1"}]


@row("I30")
def test_a_resolv_conf_is_read(leases: World) -> None:
    resolv = leases.folder / "resolv.conf"
    resolv.write_text(
        "# comment\n; another\nnameserver 192.0.2.1 ignored\n nameserver 192.0.2.2\n"
        "domain first\ndomain last ignored\nsearch a b\nsearch c\noptions ndots:1\n"
        "options rotate x\nunknown y\n"
    )
    ipam = {**one_each("10.1.2.0/24"), "resolvConf": str(resolv)}

    result = leases.call("host-local", "ADD", conf(leases, ipam=ipam)).ok()

    assert result["dns"] == {
        "domain": "last",
        "nameservers": ["192.0.2.1", "192.0.2.2"],
        "options": ["ndots:1", "rotate", "x"],
        "search": ["a", "b", "c"],
    }


def test_a_resolv_conf_that_is_missing(leases: World) -> None:
    ipam = {**one_each("10.1.2.0/24"), "resolvConf": "/nonexistent/resolv.conf"}

    msg = error(leases, conf(leases, ipam=ipam))

    assert msg == "open /nonexistent/resolv.conf: no such file or directory"
    assert not [name for name in leases.lease_files() if name.startswith("10.")]
