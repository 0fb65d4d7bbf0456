"""network-status, entry by entry: rows N.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from polypod.cni import versions
from polypod.errors import ConflictError, PluginError
from polypod.kube.nothing import NoSource, NoStatus
from polypod.nad import status
from polypod.testing.node import Node

SANDBOX = "/run/netns/x"
LINK = {"name": "net1", "mac": "92:79:27:01:7c:cf", "sandbox": SANDBOX, "mtu": 9000}
BASE = {
    "interfaces": [LINK],
    "ips": [{"address": "1.1.1.3/24"}, {"address": "2001::1/64"}],
}


def shown(
    result: dict[str, Any],
    *,
    name: str = "test/net1",
    version: str = "1.1.0",
    primary: bool = False,
    device: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    found = status.entries(
        versions.parse(json.dumps(result).encode(), version),
        name=name,
        is_default=primary,
        device_info=device,
    )
    return list(json.loads(status.render(found)))


def link(name: str, *, inside: bool = True, **given: object) -> dict[str, object]:
    return {"name": name, **({"sandbox": SANDBOX} if inside else {}), **given}


def test_n02_one_interface_is_one_entry() -> None:
    assert shown(BASE) == [
        {
            "name": "test/net1",
            "interface": "net1",
            "ips": ["1.1.1.3", "2001::1"],
            "mac": "92:79:27:01:7c:cf",
            "mtu": 9000,
            "dns": {},
        }
    ]


def test_n03_what_is_known_of_a_device_is_shown_as_it_is() -> None:
    device = {
        "type": "pci",
        "version": "v1.1.0",
        "pci": {
            "pci-address": "0000:01:02.2",
            "pf-pci-address": "0000:01:02.0",
            "representor-device": "eth3",
        },
    }

    (found,) = shown({**BASE, "routes": [{"dst": "0.0.0.0/0", "gw": "1.1.1.1"}]}, device=device)
    several = shown({"interfaces": [LINK, LINK]}, device=device)

    assert found["device-info"] == device
    assert list(found)[-3:] == ["dns", "device-info", "gateway"]
    assert [one["device-info"] for one in several] == [device, device]


@pytest.mark.parametrize(
    ("routes", "gateways"),
    [
        pytest.param(
            [{"dst": "0.0.0.0/0", "gw": "10.10.10.10"}, {"gw": "20.20.20.20"}],
            ["10.10.10.10", "20.20.20.20"],
            id="N05",
        ),
        pytest.param([{"dst": "10.10.10.0/24", "gw": "1.1.1.1"}], None, id="N06"),
        pytest.param([{"dst": "0.0.0.0/0"}], None, id="N18"),
        pytest.param([{"dst": "0.0.0.0/1", "gw": "1.1.1.1"}], None, id="half-of-everything"),
        pytest.param([{"dst": "::/0", "gw": "2001::2"}], ["2001::2"], id="v6"),
    ],
)
def test_a_gateway_is_that_of_a_default_route(
    routes: list[dict[str, str]], gateways: list[str] | None
) -> None:
    (entry,) = shown({**BASE, "routes": routes})

    assert entry.get("gateway") == gateways


def test_n08_an_address_without_interface_is_the_last_ones() -> None:
    found = shown(
        {
            "interfaces": [link("foo", inside=False), link("eth0"), link("eth1")],
            "ips": [{"address": "1.1.1.3/24"}],
        }
    )

    assert [(entry["interface"], entry.get("ips")) for entry in found] == [
        ("eth0", None),
        ("eth1", ["1.1.1.3"]),
    ]


def test_n09_addresses_go_to_the_interface_they_name() -> None:
    dns = {"nameservers": ["8.8.8.8"], "domain": "d", "search": ["s"], "options": ["o"]}
    found = shown(
        {
            "interfaces": [
                link("foo", inside=False),
                link("example0", mtu=1500),
                link("example1", mtu=1500),
            ],
            "ips": [
                {"address": "1.1.1.1/24", "interface": 1},
                {"address": "1.1.1.2/24", "interface": 1},
                {"address": "1.1.1.3/24", "interface": 2},
            ],
            "dns": dns,
        }
    )

    assert found == [
        {
            "name": "test/net1", "interface": "example0", "ips": ["1.1.1.1", "1.1.1.2"],
            "mtu": 1500, "dns": dns,
        },
        {
            "name": "test/net1", "interface": "example1", "ips": ["1.1.1.3"],
            "mtu": 1500, "dns": dns,
        },
    ]  # fmt: skip


def test_n11_the_default_is_the_interface_of_the_first_address_with_a_gateway() -> None:
    found = shown(
        {
            "interfaces": [
                link("a", inside=False),
                link("eth0"),
                link("b", inside=False),
                link("other-primary"),
            ],
            "ips": [
                {"address": "1.1.1.1/24", "interface": 1},
                {"address": "10.20.1.2/24", "interface": 3, "gateway": "10.20.1.1"},
            ],
        },
        name="cbr0",
        primary=True,
    )

    assert [(entry["interface"], entry.get("default", False)) for entry in found] == [
        ("eth0", False),
        ("other-primary", True),
    ]


def test_n12_an_interface_without_sandbox_shows_its_addresses_only() -> None:
    found = shown(
        {
            "interfaces": [link("eth0", inside=False, mac="02:00:00:00:00:01")],
            "ips": [{"address": "10.244.196.152/32"}, {"address": "fd10:244::c497/128"}],
        },
        name="k8s-pod-network",
        primary=True,
    )

    assert found == [
        {
            "name": "k8s-pod-network",
            "ips": ["10.244.196.152", "fd10:244::c497"],
            "default": True,
            "dns": {},
        }
    ]


def test_n14_a_result_without_interfaces_has_no_entry() -> None:
    assert shown({"ip4": {"ip": "1.1.1.3/24"}}, version="0.2.0") == []
    assert status.render(()) == "[]"


def test_n15_a_result_of_an_unknown_version_is_an_error() -> None:
    with pytest.raises(PluginError, match=r'unsupported CNI result version "1\.2\.3"'):
        versions.parse(json.dumps({**BASE, "cniVersion": "1.2.3"}).encode(), "")


def test_n17_entries_are_joined_without_a_line_break() -> None:
    found = status.entries(
        versions.parse(json.dumps(BASE).encode(), "1.1.0"), name="test/net1", is_default=False
    )

    text = status.render((*found, *found))

    assert text.count("},{") == 1
    assert text.startswith('[{\n    "name": "test/net1",\n    "interface": "net1",\n')
    assert text.endswith('"dns": {}\n}]')


def test_n20_a_bridged_primary_has_one_entry() -> None:
    found = shown(
        {
            "interfaces": [
                link("cni0", inside=False, mac="02:00:00:00:00:01"),
                link("veth1", inside=False),
                link("eth0", mac="02:00:00:00:00:02"),
            ],
            "ips": [{"address": "10.244.0.2/24", "gateway": "10.244.0.1", "interface": 2}],
        },
        name="cbr0",
        primary=True,
    )

    assert [(entry["name"], entry["interface"], entry["default"]) for entry in found] == [
        ("cbr0", "eth0", True)
    ]


# Who gets one.


@pytest.fixture
def node() -> Node:
    made = Node()
    made.world.parent("up0")
    config = '{"type":"macvlan","master":"up0","cniVersion":"1.0.0"}'
    for namespace in ("test", "kube-system"):
        made.source.add_definition(namespace, "a", config)
    return made


@pytest.mark.parametrize(
    ("uid", "said"),
    [pytest.param("u1", "u1", id="N21"), pytest.param("u1", "", id="N21-none-given")],
)
def test_a_pod_gets_its_status(node: Node, uid: str, said: str) -> None:
    pod = node.add_pod("test", "p", networks="a", uid=said)
    node.source.add_pod("test", "p", uid=uid, annotations=node.source.pods["test", "p"].annotations)

    node.add(pod)

    (entry,) = json.loads(node.status.texts["test", "p"])
    assert (entry["name"], entry["interface"]) == ("test/a", "net1")


def test_a_pod_made_again_gets_no_status_of_the_old_one(node: Node) -> None:
    pod = node.add_pod("test", "p", networks="a", uid="old")
    node.source.add_pod("test", "p", uid="new")

    with pytest.raises(ConflictError, match='expected pod UID "old" but got "new"'):
        node.add(pod)

    assert node.status.texts == {}


@pytest.mark.parametrize(
    ("namespace", "name"),
    [pytest.param("test", "kube-system", id="N26"), pytest.param("kube-system", "p", id="N27")],
)
def test_names_of_the_system_are_names_as_others(node: Node, namespace: str, name: str) -> None:
    node.add(node.add_pod(namespace, name, networks="a"))

    assert (namespace, name) in node.status.texts


def test_n24_a_node_without_a_source_publishes_nothing(node: Node) -> None:
    node.networks.raw = b'{"name":"cbr0","type":"macvlan","master":"up0","cniVersion":"1.0.0"}'
    node.source = NoSource()  # type: ignore[assignment]
    node.status = NoStatus()  # type: ignore[assignment]

    answer = node.add(node.sandbox("c1", namespace="test", pod="p"))

    assert answer["cniVersion"] == "1.1.0"
