"""The networks annotation, comma form (A) and JSON form (B), as the reference reads it.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from polypod.engine import resolve
from polypod.errors import InvalidAnnotationError
from polypod.nad import selection
from polypod.nad.selection import Selection
from polypod.testing.node import Node
from polypod.testing.source import FakePod

GUID = "24:8a:07:03:00:8d:ae:2e"


def chosen(name: str, namespace: str = "test", **given: Any) -> Selection:
    return Selection(name=name, namespace=namespace, **given)


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param("net1", [chosen("net1")], id="A01"),
        pytest.param("net1,net2", [chosen("net1"), chosen("net2")], id="A02"),
        pytest.param("default/net1", [chosen("net1", "default")], id="A04"),
        pytest.param("net1@my_interface", [chosen("net1", interface="my_interface")], id="A05"),
        pytest.param("kube-system/net1", [chosen("net1", "kube-system")], id="A07"),
        pytest.param(
            "net1@eth1,net321@eth2",
            [chosen("net1", interface="eth1"), chosen("net321", interface="eth2")],
            id="A08",
        ),
        pytest.param(
            "net1@123456789012345", [chosen("net1", interface="123456789012345")], id="A14"
        ),
        pytest.param("1", [chosen("1")], id="A20"),
        pytest.param("/net1", [chosen("net1")], id="A22"),
        pytest.param("ns1/", [chosen("", "ns1")], id="A23"),
        pytest.param(" ns1 / net1 @ eth5 ", [chosen("net1", "ns1", interface="eth5")], id="A25"),
        pytest.param("net1@ETH_5.1", [chosen("net1", interface="ETH_5.1")], id="A26"),
        pytest.param("null", [chosen("null")], id="A28"),
    ],
)
def test_a_comma_list_is_read(annotation: str, expected: list[Selection]) -> None:
    assert list(selection.parse(annotation, "test")) == expected


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        pytest.param("root@someIP/root@someOtherIP@garbagevalue", "failed at '@'", id="A10"),
        pytest.param(
            "root@someIP/root@someOtherIP",
            "did not match comma-delimited format",
            id="A11",
        ),
        pytest.param("root@someIP/root@someOtherIP", "mismatch @ 'root@someIP'", id="A11-where"),
        pytest.param(
            "default/net1@very_long_interface_name", "Failed to parse interface name", id="A13"
        ),
        pytest.param("Net1", "mismatch @ 'Net1'", id="A16"),
        pytest.param("net.1", "mismatch @ 'net.1'", id="A17"),
        pytest.param("-net1", "mismatch @ '-net1'", id="A19"),
        pytest.param("net1-", "mismatch @ 'net1-'", id="A19-end"),
        pytest.param("a/b/c", "failed at '/'", id="A32"),
        pytest.param(
            "",
            'parsePodNetworkAnnotation: pod annotation does not have "network" as key',
            id="A34",
        ),
    ],
)
def test_a_comma_list_is_refused(annotation: str, text: str) -> None:
    with pytest.raises(InvalidAnnotationError, match=re.escape(text)) as raised:
        selection.parse(annotation, "test")

    assert raised.value.cause.count("parsePodNetworkAnnotation: ") == 1


def test_a29_an_empty_annotation_asks_for_nothing() -> None:
    pod = FakePod(namespace="test", name="p", annotations={resolve.NETWORKS: ""})

    assert resolve.selections(pod) == ()


def test_a31_a_network_named_twice_is_attached_twice() -> None:
    node = Node()
    node.world.parent("eth9")
    node.source.add_definition("test", "net-a", '{"type": "macvlan", "cniVersion": "1.0.0"}')
    pod = node.add_pod("test", "testpod", networks="net-a,net-a")

    found = resolve.resolve(pod.request("ADD"), node.source.pod("test", "testpod"), node.doors())

    assert [(one.display_name, one.ifname) for one in found] == [
        ("test/net-a", "net1"),
        ("test/net-a", "net2"),
    ]


def element(**keys: Any) -> str:
    return json.dumps([{"name": "n", **keys}])


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        pytest.param("[]", [], id="B01"),
        pytest.param(
            '[{"name":"macvlan-conf-1"},{"name":"macvlan-conf-2","interface":"ens4"}]',
            [chosen("macvlan-conf-1"), chosen("macvlan-conf-2", interface="ens4")],
            id="B03",
        ),
        pytest.param(
            '[{"name":"net2","ipRequest":"1.2.3.4","macRequest":"aa:bb:cc:dd:ee:ff"}]',
            [chosen("net2")],
            id="B04",
        ),
        pytest.param("[{}]", [chosen("")], id="B09"),
        pytest.param(
            '[{"NAME":"net1","InterFace":"x1"}]', [chosen("net1", interface="x1")], id="B10"
        ),
        pytest.param(
            element(interface="x1", interfaceRequest="y1"),
            [chosen("n", interface="x1")],
            id="B12",
        ),
        pytest.param(element(interfaceRequest="y1"), [chosen("n", interface="y1")], id="B13"),
        pytest.param(
            element(mac="02:23:45:67:89:01"), [chosen("n", mac="02:23:45:67:89:01")], id="B15"
        ),
        pytest.param(element(mac="0223.4567.8901"), [chosen("n", mac="0223.4567.8901")], id="B16"),
        pytest.param(
            element(**{"infiniband-guid": GUID}), [chosen("n", infiniband_guid=GUID)], id="B18"
        ),
        pytest.param(
            element(ips=["10.0.0.1/24", "2001:db8::5/64"]),
            [chosen("n", ips=("10.0.0.1/24", "2001:db8::5/64"))],
            id="B21",
        ),
        pytest.param(element(ips=[]), [chosen("n", ips=())], id="B24"),
        pytest.param(element(ips=None), [chosen("n")], id="B25"),
        pytest.param(
            element(**{"default-route": ["192.168.2.2"]}),
            [chosen("n", default_route=("192.168.2.2",))],
            id="B27",
        ),
        pytest.param(element(**{"default-route": []}), [chosen("n", default_route=())], id="B28"),
        pytest.param(
            element(
                bandwidth={
                    "ingressRate": 2048,
                    "ingressBurst": 1600,
                    "egressRate": 4096,
                    "egressBurst": 1600,
                }
            ),
            [
                chosen(
                    "n",
                    bandwidth={
                        "ingressRate": 2048,
                        "ingressBurst": 1600,
                        "egressRate": 4096,
                        "egressBurst": 1600,
                    },
                )
            ],
            id="B31",
        ),
        pytest.param(
            element(
                portMappings=[
                    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                    {"hostPort": 8000, "containerPort": 8001, "protocol": "udp"},
                ]
            ),
            [
                chosen(
                    "n",
                    port_mappings=(
                        {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
                        {"hostPort": 8000, "containerPort": 8001, "protocol": "udp"},
                    ),
                )
            ],
            id="B33",
        ),
        pytest.param(
            element(portMappings=[{"hostPort": 0, "containerPort": 70000}]),
            [chosen("n", port_mappings=({"hostPort": 0, "containerPort": 70000},))],
            id="B34",
        ),
        pytest.param(element(**{"cni-args": None}), [chosen("n")], id="B36"),
        pytest.param(
            element(deviceID="0000:00:00.1"), [chosen("n", device_id="0000:00:00.1")], id="B37"
        ),
    ],
)
def test_a_json_list_is_read(annotation: str, expected: list[Selection]) -> None:
    assert list(selection.parse(annotation, "test")) == expected


@pytest.mark.parametrize(
    ("annotation", "text"),
    [
        pytest.param('{"name":"net1"}', "JSON format", id="B06"),
        pytest.param('"net1"', "JSON format", id="B07"),
        pytest.param(
            element(**{"infiniband-guid": "xx"}), "failed to validate infiniband GUID", id="B19"
        ),
        pytest.param(element(ips=["10.0.0.1/33"]), 'failed to parse CIDR "10.0.0.1/33"', id="B22"),
        pytest.param(
            element(**{"default-route": ["bad"]}),
            "JSON format: invalid IP address: bad",
            id="B30",
        ),
        pytest.param('net1,{"name":"x"}', "JSON format", id="B40"),
        pytest.param("[null]", "null is not one", id="null-element"),
    ],
)
def test_a_json_list_is_refused(annotation: str, text: str) -> None:
    with pytest.raises(InvalidAnnotationError, match=re.escape(text)) as raised:
        selection.parse(annotation, "test")

    assert raised.value.cause.count("parsePodNetworkAnnotation: ") == 1


def test_b09_a_network_without_a_name_is_not_found() -> None:
    node = Node()
    pod = node.add_pod("test", "testpod", networks="[{}]")

    with pytest.raises(Exception, match=r"network-attachment-definition \(\) in namespace"):
        node.add(pod)


def test_b24_an_empty_list_of_addresses_asks_for_none() -> None:
    """The reference adds `IP=` to CNI_ARGS, which asks for nothing either."""
    node = Node()
    request = node.sandbox("c1").request("ADD")
    (asked,) = selection.parse(element(ips=[]), "test")

    assert "IP=" not in resolve.pod_arguments(request, asked).split(";")
