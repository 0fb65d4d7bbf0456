"""Numbers and names that no kernel takes: refused in words, and nothing is left behind.

tests/property/test_cni_calls.py tries anything at all, on a kernel in memory.
"""

from __future__ import annotations

from typing import Any

import pytest
from tests.conformance.cni_world import SANDBOX, Answer, World

BEFORE = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]}
NUMBERS = [-1, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, 10**30, 1.5, 1e300]
NAMES = ["a" * 16, "a/b", "..", ".", "\u00e9" * 8, "a\0b", " ", "a b", "br\n", "-x", "%s", "$(id)"]


def add(world: World, type_: str, keys: dict[str, Any], **variables: str) -> Answer:
    config = {
        "cniVersion": "1.0.0",
        "name": "mynet",
        "type": type_,
        "bridge": "br0",
        "master": "eth9",
        "dataDir": str(world.data),
        "prevResult": BEFORE if type_ == "tuning" else None,
        **keys,
    }
    answer = world.call(type_, "ADD", config, **variables)
    assert answer.code in {0, 1}
    assert "\n" not in answer.json.get("msg", "")
    world.call(type_, "DEL", config, **variables)
    return answer


def check_nothing_is_left(world: World, *others: str) -> None:
    assert [one["ifname"] for one in world.ip("link show", SANDBOX)] == ["lo", *others]
    assert not [name for name in world.lease_files() if not name.startswith("last")]


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize(
    ("type_", "key"),
    [
        ("bridge", "mtu"),
        ("bridge", "vlan"),
        ("macvlan", "mtu"),
        ("macvlan", "bcqueuelen"),
        ("ipvlan", "mtu"),
    ],
)
def test_a_number_of_a_link(parent: World, type_: str, key: str, number: float) -> None:
    ipam = {"type": "static", "addresses": [{"address": "10.1.1.2/24"}]}

    answer = add(parent, type_, {key: number, "ipam": ipam})

    assert answer.code == 1 or (key == "bcqueuelen" and 0 <= number < 1 << 32)
    check_nothing_is_left(parent)


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("key", ["mtu", "txQLen"])
def test_a_number_to_be_tuned(parent: World, key: str, number: float) -> None:
    parent.ip("link add eth0 up type veth peer name peer", SANDBOX)

    answer = add(parent, "tuning", {key: number})

    assert answer.code == 1 or (key == "txQLen" and 0 <= number < 1 << 32)
    link = parent.link("eth0", SANDBOX)
    assert link is not None and (link["mtu"], link["txqlen"]) == (1500, 1000)
    assert not list(parent.data.iterdir())


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("key", ["priority", "table", "scope"])
def test_a_number_of_a_route(parent: World, key: str, number: float) -> None:
    route = {"dst": "20.0.0.0/8", "gw": "10.5.0.3", key: number}
    addresses = [{"address": "10.5.0.2/24"}]

    answer = add(
        parent, "macvlan", {"ipam": {"type": "static", "addresses": addresses, "routes": [route]}}
    )

    assert answer.code == 1 or (key != "scope" and 0 <= number < 1 << 32)
    check_nothing_is_left(parent)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("type_", "place"),
    [
        ("bridge", "bridge"),
        ("macvlan", "master"),
        ("macvlan", "mac"),
        ("macvlan", "ipam"),
        ("bridge", "resolvConf"),
    ],
)
def test_a_name_of_anything(parent: World, type_: str, place: str, name: str) -> None:
    leased = {"type": "host-local", "subnet": "10.1.2.0/24", "dataDir": str(parent.data)}
    places: dict[str, dict[str, Any]] = {
        "bridge": {"bridge": name},
        "master": {"master": name},
        "mac": {"mac": name},
        "ipam": {"ipam": {"type": name}},
        "resolvConf": {"ipam": {**leased, "resolvConf": name}},
    }

    answer = add(parent, type_, places[place])

    makes_a_bridge = place == "bridge" and name in {"-x", "$(id)"}
    assert answer.code == (0 if makes_a_bridge else 1)
    check_nothing_is_left(parent)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_a_sysctl(parent: World, name: str) -> None:
    parent.ip("link add eth0 up type veth peer name peer", SANDBOX)

    answer = add(parent, "tuning", {"sysctl": {f"net/{name}": "1"}})

    assert answer.code == 1
    check_nothing_is_left(parent, "peer", "eth0")


@pytest.mark.parametrize("path", ["/tmp", "/dev/null", "/proc/self/ns/mnt", "relative", "/\n"])
def test_a_path_that_is_no_namespace(parent: World, path: str) -> None:
    for type_ in ("bridge", "macvlan", "loopback"):
        assert add(parent, type_, {}, NETNS=path).code == 1
    check_nothing_is_left(parent)
