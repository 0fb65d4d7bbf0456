"""Section I: host-local as a plugin: its configuration, its files, its verbs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from tests.conformance.cni_rows import each_version, row, table
from tests.conformance.cni_world import World

from polypod.cni.labels import ALL_VERSIONS
from polypod.ipam import host_local
from polypod.ipam._shape import LeaseCall

FLAT = ("0.1.0", "0.2.0")
SETS = [[{"subnet": "10.1.2.0/24"}, {"subnet": "10.2.2.0/24"}], [{"subnet": "2001:db8:1::0/64"}]]
ROUTES = [
    {"dst": "0.0.0.0/0"},
    {"dst": "::/0"},
    {"dst": "192.168.0.0/16", "gw": "1.1.1.1"},
    {"dst": "2001:db8:2::0/64", "gw": "2001:db8:3::1"},
]


def conf(leases: World, version: str = "1.0.0", ipam: Any = None, **keys: Any) -> dict[str, Any]:
    own = {"type": "host-local", "dataDir": str(leases.data), **(ipam or {})}
    return {"cniVersion": version, "name": "mynet", "type": "bridge", "ipam": own, **keys}


def one_each(*subnets: str) -> dict[str, Any]:
    return {"ranges": [[{"subnet": subnet}] for subnet in subnets]}


def add(leases: World, config: dict[str, Any], **variables: str) -> list[str]:
    """Run ADD and return the addresses."""
    return [
        ip["address"] for ip in leases.call("host-local", "ADD", config, **variables).ok()["ips"]
    ]


def error(leases: World, config: dict[str, Any], **variables: str) -> str:
    return leases.call("host-local", "ADD", config, **variables).error[1]


def read(config: dict[str, Any], arguments: str = "") -> host_local.Settings:
    return host_local.settings(
        LeaseCall(
            container_id="dummy",
            ifname="eth0",
            network="mynet",
            cni_version=config["cniVersion"],
            config=config,
            arguments=arguments,
        )
    )


@row("I2")
def test_sets_and_ranges_are_read(leases: World) -> None:
    first = {
        "subnet": "10.1.2.0/24",
        "rangeStart": "10.1.2.9",
        "rangeEnd": "10.1.2.20",
        "gateway": "10.1.2.30",
    }
    other = {"subnet": "11.1.2.0/24", "rangeStart": "11.1.2.9", "rangeEnd": "11.1.2.20"}

    found = read(conf(leases, ipam={"ranges": [[first, {"subnet": "10.1.4.0/24"}], [other]]}))

    assert [[str(one) for one in part] for part in found.sets] == [
        ["10.1.2.9-10.1.2.20", "10.1.4.1-10.1.4.254"],
        ["11.1.2.9-11.1.2.20"],
    ]
    assert str(found.sets[0][0].gateway) == "10.1.2.30"


@row("I3")
def test_ranges_of_the_runtime_come_first(leases: World) -> None:
    ipam = {"subnet": "10.1.2.0/24", **one_each("11.1.2.0/24")}
    runtime = {"ipRanges": [[{"subnet": "12.1.3.0/24"}]]}

    found = add(leases, conf(leases, ipam=ipam, runtimeConfig=runtime))

    assert found == ["12.1.3.2/24", "10.1.2.2/24", "11.1.2.2/24"]


@table(
    "tail",
    ("I5", ""),
    ("I5-prefix", "/24"),
)
def test_addresses_that_are_asked_for_add_up(leases: World, tail: str) -> None:
    asked = [f"10.1.2.11{tail}", f"11.11.11.11{tail}", f"2001:db8:1::11{tail}"]
    config = conf(leases, ipam={"subnet": "10.1.2.0/24"}, args={"cni": {"ips": asked}})

    found = read(config, f"IP=10.1.2.10{tail}")

    wanted = ["10.1.2.10", "10.1.2.11", "11.11.11.11", "2001:db8:1::11"]
    assert [str(one) for one in found.requested] == wanted


@row("I6")
def test_the_runtime_asks_for_addresses(leases: World) -> None:
    asked = {"ips": ["192.168.0.1", "192.168.0.5/24", "2001:db8::1/64"]}

    found = read(conf(leases, ipam={"subnet": "10.1.2.0/24"}, runtimeConfig=asked))

    assert [str(one) for one in found.requested] == ["192.168.0.1", "192.168.0.5", "2001:db8::1"]


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


@table(
    "version",
    *((f"I21-{version}", version) for version in ALL_VERSIONS if version not in FLAT),
)
def test_an_address_of_each_set_may_be_asked_for(leases: World, version: str) -> None:
    asked = {"cni": {"ips": ["10.1.2.88", "10.1.3.77"]}}
    config = conf(leases, version, one_each("10.1.2.0/24", "10.1.3.0/24"), args=asked)

    assert add(leases, config) == ["10.1.2.88/24", "10.1.3.77/24"]


@each_version("I21", FLAT)
def test_an_old_version_has_one_address_of_a_family(leases: World, version: str) -> None:
    config = conf(leases, version, one_each("10.1.2.0/24", "10.1.3.0/24"))

    wanted = f"CNI version {version} does not support more than 1 address per family"
    assert error(leases, config) == wanted


@row("I22")
def test_an_address_of_a_later_range_may_be_asked_for(leases: World) -> None:
    sets = [
        [{"subnet": "172.16.1.0/24"}, {"subnet": "10.1.2.0/24"}],
        [{"subnet": "2001:db8:1::/48"}],
    ]
    asked = {"cni": {"ips": ["10.1.2.88", "2001:db8:1::999"]}}

    found = add(leases, conf(leases, ipam={"ranges": sets}, args=asked))

    assert found == ["10.1.2.88/24", "2001:db8:1::999/48"]


def test_an_ipv4_address_may_be_written_as_ipv6(leases: World) -> None:
    asked = {"cni": {"ips": ["::ffff:10.1.2.88"]}}

    found = add(leases, conf(leases, ipam=one_each("10.1.2.0/24"), args=asked))

    assert found == ["10.1.2.88/24"]


@row("I24")
def test_the_gateway_cannot_be_asked_for(leases: World) -> None:
    config = conf(leases, ipam=one_each("10.1.2.0/24"))

    msg = error(leases, config, ARGS="IP=10.1.2.1")

    assert msg == "failed to allocate for range 0: requested ip 10.1.2.1 is subnet's gateway"


@row("I25")
def test_a_gateway_of_elsewhere_frees_the_first_address(leases: World) -> None:
    ipam = {"ranges": [[{"subnet": "10.1.2.0/24", "gateway": "10.9.9.1"}]]}

    result = leases.call("host-local", "ADD", conf(leases, ipam=ipam)).ok()

    assert result["ips"] == [{"address": "10.1.2.1/24", "gateway": "10.9.9.1"}]


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


@pytest.mark.parametrize(
    ("arguments", "msg"),
    [
        (
            "IP=banana",
            'ARGS: error parsing value of pair "IP=banana": invalid IP address banana',
        ),
        ("MAC=02:00:00:00:00:01", 'ARGS: unknown args ["MAC=02:00:00:00:00:01"]'),
        ("IP", 'ARGS: invalid pair "IP"'),
    ],
)
def test_arguments_that_cannot_be(leases: World, arguments: str, msg: str) -> None:
    assert error(leases, conf(leases, ipam=one_each("10.1.2.0/24")), ARGS=arguments) == msg
