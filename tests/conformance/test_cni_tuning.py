"""Section L: the tuning plugin."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.conformance.cni_rows import FLAT, each_version, row, table
from tests.conformance.cni_world import SANDBOX, World

from polypod.cli import standalone
from polypod.cni.result import Interface, Result
from polypod.errors import PluginError
from polypod.plugins._shape import Call
from polypod.plugins.tuning import Tuning
from polypod.store.backups import BackupFiles

LINK = "eth0"


@pytest.fixture
def tuned(world: World) -> World:
    """A world whose sandbox has eth0, a link that is up."""
    world.ip(f"link add {LINK} up address 02:00:00:00:00:01 type veth peer name peer0", SANDBOX)
    return world


def before(world: World, version: str) -> dict[str, Any]:
    """Return the result of an earlier plugin."""
    if version in FLAT:
        return {"cniVersion": version, "ip4": {"ip": "10.0.0.2/24"}, "dns": {}}
    ip = {"version": "4"} if version < "1.0.0" else {}
    found: dict[str, Any] = {
        "cniVersion": version,
        "interfaces": [
            {"name": "br0", "mac": "02:00:00:00:00:09"},
            {"name": LINK, "mac": "02:00:00:00:00:01", "sandbox": world.netns},
        ],
        "ips": [{**ip, "interface": 1, "address": "10.0.0.2/24"}],
    }
    return {**found, "dns": {}} if ip else found


def conf(world: World, version: str = "1.0.0", **keys: Any) -> dict[str, Any]:
    return {
        "cniVersion": version,
        "name": "mynet",
        "type": "tuning",
        "dataDir": str(world.folder / "tuning"),
        "prevResult": before(world, version),
        **keys,
    }


def attributes(world: World) -> dict[str, Any]:
    link = world.link(LINK, SANDBOX)
    assert link is not None
    return {
        "mac": link["address"],
        "mtu": link["mtu"],
        "promisc": "PROMISC" in link["flags"],
        "allmulti": "ALLMULTI" in link["flags"],
        "txQLen": link["txqlen"],
    }


def backup(world: World) -> dict[str, Any]:
    path = world.folder / "tuning" / f"dummy_{LINK}.json"
    if not path.exists():
        return {}
    assert path.stat().st_mode & 0o777 == 0o600
    found = json.loads(path.read_text())
    assert isinstance(found, dict)
    return found


@each_version("L1")
def test_a_sysctl_is_written(tuned: World, version: str) -> None:
    key = "net/ipv4/conf/all/log_martians"
    config = conf(tuned, version, sysctl={key.replace("/", "."): "1"})

    result = tuned.call("tuning", "ADD", config).ok()

    assert tuned.sysctl(key) == "1"
    assert result == config["prevResult"]
    assert backup(tuned) == {}


@table(
    "keys, arguments, changed",
    ("L3", {"args": {"cni": {"promisc": True}}}, "", {"promisc": True}),
    ("L3-plain", {"promisc": True}, "", {"promisc": True}),
    ("L4", {"mtu": 1454}, "", {"mtu": 1454}),
    ("L4-args", {"mtu": 1454, "args": {"cni": {"mtu": 1400}}}, "", {"mtu": 1400}),
    ("L6", {"txQLen": 20000}, "", {"txQLen": 20000}),
    ("L6-args", {"args": {"cni": {"txQLen": 30000}}}, "", {"txQLen": 30000}),
    ("L7", {"mac": "c2:11:22:33:44:55"}, "", {"mac": "c2:11:22:33:44:55"}),
    ("L9", {}, "IgnoreUnknown=true;MAC=c2:11:22:33:44:66", {"mac": "c2:11:22:33:44:66"}),
    (
        "L10",
        {"mac": "c2:11:22:33:44:55", "runtimeConfig": {"mac": "c2:11:22:33:44:77"}},
        "IgnoreUnknown=true;MAC=c2:11:22:33:44:66",
        {"mac": "c2:11:22:33:44:77"},
    ),
    (
        "L10-args",
        {
            "mac": "c2:11:22:33:44:55",
            "runtimeConfig": {"mac": "c2:11:22:33:44:77"},
            "args": {"cni": {"mac": "c2:11:22:33:44:88"}},
        },
        "IgnoreUnknown=true;MAC=c2:11:22:33:44:66",
        {"mac": "c2:11:22:33:44:88"},
    ),
    ("L12", {"allmulti": True}, "", {"allmulti": True}),
    ("L12-args", {"allmulti": False, "args": {"cni": {"allmulti": True}}}, "", {"allmulti": True}),
)
@pytest.mark.parametrize("version", ["0.3.1", "1.0.0"])
def test_an_attribute_is_changed_and_comes_back(
    tuned: World, keys: dict[str, Any], arguments: str, changed: dict[str, Any], version: str
) -> None:
    at_first = attributes(tuned)
    config = conf(tuned, version, **keys)

    result = tuned.call("tuning", "ADD", config, ARGS=arguments).ok()

    assert attributes(tuned) == {**at_first, **changed}
    assert backup(tuned) == {key: at_first[key] for key in changed}
    mac = changed.get("mac", at_first["mac"])
    assert [one["mac"] for one in result["interfaces"]] == ["02:00:00:00:00:09", mac]
    if version >= "0.4.0":
        again = {**config, "prevResult": result}
        assert tuned.call("tuning", "CHECK", again, ARGS=arguments).code == 0
    tuned.call("tuning", "DEL", config, ARGS=arguments).ok()
    assert attributes(tuned) == at_first and backup(tuned) == {}


@row("L13")
def test_ifname_stands_for_the_links_name(tuned: World) -> None:
    config = conf(tuned, sysctl={"net.ipv4.conf.IFNAME.accept_redirects": "0"})

    tuned.call("tuning", "ADD", config).ok()

    assert tuned.sysctl(f"net/ipv4/conf/{LINK}/accept_redirects") == "0"


@row("L15")
def test_a_name_that_is_no_file_name_is_refused_below_the_process_contract() -> None:
    call = Call(
        container_id="dummy",
        ifname="eth/0",
        netns="/run/netns/a",
        network="mynet",
        cni_version="1.0.0",
        config={"mtu": 1400},
        prev_result=Result(interfaces=(Interface(name="eth/0"),)),
    )

    with pytest.raises(PluginError) as caught:
        Tuning().reads(call)

    assert caught.value.cause == "Interface name (eth/0) contains an invalid character /"


@table(
    "keys, msg",
    ("L16", {"sysctl": {"kernel.pid_max": "1"}}, 'invalid net sysctl key: "kernel/pid_max"'),
    (
        "L16-out",  # every dot becomes a slash, so there is no way out
        {"sysctl": {"net/../kernel/pid_max": "1"}},
        "open /proc/sys/net/kernel/pid_max: no such file or directory",
    ),
    (
        "L16-none",
        {"sysctl": {"net.core.nosuch": "1"}},
        "open /proc/sys/net/core/nosuch: no such file or directory",
    ),
    (
        "L16-value",
        {"sysctl": {"net.ipv4.conf.all.log_martians": "x"}},
        "write /proc/sys/net/ipv4/conf/all/log_martians: invalid argument",
    ),
    ("L19", {"prevResult": None}, "Required prevResult missing"),
    ("L19-mac", {"mac": "zz"}, "invalid args zz for MAC addr: address zz: invalid MAC address"),
)
def test_what_cannot_be_changes_nothing(tuned: World, keys: dict[str, Any], msg: str) -> None:
    at_first = attributes(tuned)
    config = {**conf(tuned, mtu=1400), **keys}

    assert tuned.call("tuning", "ADD", config).error == (999, msg, "")
    assert attributes(tuned) == at_first and backup(tuned) == {}


@row("L18")
def test_an_allowlist_limits_the_sysctls() -> None:
    pattern = "^net.ipv4.conf.IFNAME.[a-z_]*$"
    call = Call(
        container_id="dummy",
        ifname=LINK,
        netns="/run/netns/a",
        network="mynet",
        cni_version="1.0.0",
        config={"sysctl": {"net.ipv6.conf.IFNAME.forwarding": "1"}},
        prev_result=Result(),
        allowed_sysctls=("", pattern),
    )

    with pytest.raises(PluginError) as caught:
        Tuning().reads(call)

    assert caught.value.cause == (
        "Sysctl net.ipv6.conf.IFNAME.forwarding is not allowed."
        f" Only the following sysctls are allowed: [{pattern}]"
    )


@pytest.mark.parametrize(
    ("lines", "msg"),
    [
        ("\n^net.ipv4.conf.all.*\n", ""),
        (
            "^net.ipv6\n\n^net.core",
            (
                "Sysctl net.ipv4.conf.all.log_martians is not allowed."
                " Only the following sysctls are allowed: [^net.ipv6 ^net.core]"
            ),
        ),
    ],
)
def test_the_nodes_allowlist_is_obeyed(tuned: World, lines: str, msg: str) -> None:
    allowlist = tuned.folder / "allowlist.conf"
    allowlist.write_text(lines)
    config = conf(tuned, sysctl={"net.ipv4.conf.all.log_martians": "1"})
    doors = replace(standalone.doors(), backups=BackupFiles(roots=None, allowlist=allowlist))

    with tuned.inside():
        code, stdout = standalone.call(
            "tuning",
            {
                "CNI_COMMAND": "ADD",
                "CNI_CONTAINERID": "dummy",
                "CNI_NETNS": tuned.netns,
                "CNI_IFNAME": LINK,
                "CNI_PATH": "/nonexistent",
            },
            json.dumps(config).encode(),
            lambda: doors,
        )

    assert (code, json.loads(stdout).get("msg", "")) == (1 if msg else 0, msg)


def test_no_address_is_taken_for_a_link_that_is_tuned(tuned: World) -> None:
    ipam = {"type": "host-local", "subnet": "10.1.2.0/24", "dataDir": str(tuned.data)}

    tuned.call("tuning", "ADD", conf(tuned, mtu=1400, ipam=ipam)).ok()
    tuned.call("loopback", "ADD", conf(tuned, ipam=ipam)).ok()

    assert tuned.lease_files() == {}


@row("L21")
def test_del_after_the_namespace_has_gone(tuned: World) -> None:
    config = conf(tuned, mtu=1400)
    tuned.call("tuning", "ADD", config).ok()
    tuned.remove(SANDBOX)

    assert tuned.call("tuning", "DEL", config).code == 0
    assert backup(tuned) == {}  # the reference leaves it for ever


def test_del_after_the_link_has_gone(tuned: World) -> None:
    config = conf(tuned, mtu=1400)
    tuned.call("tuning", "ADD", config).ok()
    tuned.ip(f"link del {LINK}", SANDBOX)

    assert tuned.call("tuning", "DEL", config).code == 0
    assert backup(tuned) == {}


def test_a_backup_that_no_longer_fits_stays(tuned: World) -> None:
    config = conf(tuned, mtu=1400)
    tuned.call("tuning", "ADD", config).ok()
    path = tuned.folder / "tuning" / f"dummy_{LINK}.json"
    path.write_text('{"mtu": 3}')

    assert tuned.call("tuning", "DEL", config).code == 0
    assert backup(tuned) == {"mtu": 3}


TUNED = {
    "mac": "02:00:00:00:00:55",
    "mtu": 1400,
    "promisc": True,
    "allmulti": True,
    "txQLen": 77,
    "sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"},
}
SAID = "Error: Tuning configured {} of eth0 is {}, current value is {}"


@pytest.mark.parametrize(
    ("damage", "msg"),
    [
        (
            "ip link set eth0 address 02:00:00:00:00:66",
            SAID.format("Ethernet", "02:00:00:00:00:55", "02:00:00:00:00:66"),
        ),
        ("ip link set eth0 mtu 1300", SAID.format("MTU", 1400, 1300)),
        (
            "ip link set eth0 promisc off",
            "Error: Tuning link eth0 configured promisc is true, current value is 0",
        ),
        (
            "ip link set eth0 allmulticast off",
            SAID.format("all-multicast mode", "true", "false"),
        ),
        ("ip link set eth0 txqueuelen 5", SAID.format("Transmit Queue Length", 77, 5)),
        (
            "echo 0 >/proc/sys/net/ipv4/conf/eth0/arp_filter",
            (
                "Error: Tuning configured value of /proc/sys/net/ipv4/conf/eth0/arp_filter is 1,"
                " current value is 0"
            ),
        ),
        (
            "ip link del eth0",
            "open /proc/sys/net/ipv4/conf/eth0/arp_filter: no such file or directory",
        ),
    ],
)
def test_damage_is_found(tuned: World, damage: str, msg: str) -> None:
    config = {**conf(tuned), **TUNED}
    config["prevResult"] = tuned.call("tuning", "ADD", config).ok()
    assert tuned.call("tuning", "CHECK", config).code == 0

    tuned.sh(damage, SANDBOX)

    assert tuned.call("tuning", "CHECK", config).error == (999, msg, "")


@pytest.mark.parametrize("verb", ["ADD", "CHECK"])
def test_a_link_that_is_not_there(tuned: World, verb: str) -> None:
    tuned.ip(f"link del {LINK}", SANDBOX)

    code, msg, _ = tuned.call("tuning", verb, conf(tuned, mtu=1400)).error

    wanted = {
        "ADD": f'failed to get "{LINK}": Link not found',
        "CHECK": f"Cannot find container link {LINK}",
    }
    assert (code, msg) == (999, wanted[verb])


def test_without_a_namespace_del_does_nothing(tuned: World) -> None:
    config = conf(tuned, mtu=1400)
    tuned.call("tuning", "ADD", config).ok()

    tuned.call("tuning", "DEL", config, NETNS="").ok()

    assert attributes(tuned)["mtu"] == 1400


@row("L22")
def test_sysctls_of_args_alone(tuned: World) -> None:
    sysctl = {"net.ipv4.conf.all.log_martians": "1"}
    config = conf(tuned, args={"cni": {"sysctl": sysctl}})

    tuned.call("tuning", "ADD", config).ok()  # the reference crashes

    assert tuned.sysctl("net/ipv4/conf/all/log_martians") == "1"


def test_a_failed_change_is_taken_back(tuned: World) -> None:
    at_first = attributes(tuned)
    config = conf(tuned, mac="01:00:5e:00:00:01", mtu=1400)

    answer = tuned.call("tuning", "ADD", config)

    assert answer.code == 1
    assert attributes(tuned) == at_first and backup(tuned) == {}
