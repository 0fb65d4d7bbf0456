"""What a switch means for pods: their annotations, what these name, and what isolation says."""

from __future__ import annotations

import json

import pytest

from polypod.doctor.facts import AskingPod, Facts, SettingsText
from polypod.doctor.finding import Effect, Finding
from polypod.doctor.rules import pods
from polypod.nad.definition import Definition

DEFINITIONS = tuple(
    Definition(namespace=namespace, name="net", config="{}")
    for namespace in ("lab", "away", "default", "kube-system")
)


def judged(
    networks: str | None,
    *,
    replacing: str | None = None,
    isolated: bool = True,
    name: str = "web",
    host_network: bool = False,
) -> list[Finding]:
    """Return what is said of one pod of the namespace lab."""
    annotations = {} if networks is None else {pods.NETWORKS: networks}
    annotations |= {} if replacing is None else {pods.DEFAULT_NETWORK: replacing}
    pod = AskingPod(namespace="lab", name=name, annotations=annotations, host_network=host_network)
    text = json.dumps({"namespaceIsolation": isolated, "socketDir": "/run/multus"})
    settings = SettingsText(where="daemon-config.json", raw=text.encode())
    facts = Facts(definitions=DEFINITIONS, pods=(pod,), settings=(settings,))
    return [finding for finding in pods.judge(facts) if finding.subject.startswith("pod ")]


@pytest.mark.parametrize(
    ("networks", "row", "effect"),
    [
        ("net@a%d", pods.IFNAME, Effect.BLOCKS),
        (",".join(["net"] * 65), pods.TOO_MANY, Effect.BLOCKS),
        ("net@a,net@a", pods.TOGETHER, Effect.BROKEN),
        ('[{"name":"net","default-route":[]}]', pods.NO_ROUTE, Effect.DIFFERS),
        ('[{"name":"net","default-route":["10.0.0.1"]}]', pods.ROUTE_MOVES, Effect.DIFFERS),
    ],
    ids=["ifname", "too many", "one name twice", "no route", "route"],
)
def test_a_row_of_the_page_is_named_where_it_applies(
    networks: str, row: str, effect: Effect
) -> None:
    found = judged(networks)

    assert [(finding.row, finding.effect) for finding in found] == [(row, effect)]


def test_an_ipv6_gateway_leaves_ipv4_alone() -> None:
    found = judged('[{"name":"net","default-route":["fd00::1"]}]')

    assert [finding.row for finding in found] == [pods.ROUTE_MOVES, pods.FAMILIES]


@pytest.mark.parametrize(
    ("networks", "part"),
    [
        ("net,nowhere", "lab/nowhere, which is not there"),
        ("away/net", "away/net, which isolation forbids"),
        ("[null]", "its annotation is refused"),
        ("a/b/c", "its annotation is refused"),
    ],
)
def test_what_fails_with_multus_too_blocks_nothing(networks: str, part: str) -> None:
    (found,) = judged(networks)

    assert found.effect is Effect.BROKEN
    assert part in found.text


def test_a_first_network_of_another_namespace_would_be_refused() -> None:
    (found,) = judged(None, replacing="away/net")

    assert (found.effect, found.row) == (Effect.BLOCKS, pods.ISOLATED_DEFAULT)


@pytest.mark.parametrize("replacing", ["net", "kube-system/net", "default/net", "lab/net"])
def test_other_first_networks_are_the_same(replacing: str) -> None:
    (found,) = judged(None, replacing=replacing)

    assert found.effect is Effect.SAME


def test_without_isolation_every_namespace_is_open() -> None:
    (found,) = judged("away/net", isolated=False)

    assert found.effect is Effect.SAME


def test_a_pod_on_the_hosts_network_and_one_that_asks_for_nothing() -> None:
    (found,) = judged("net", host_network=True)

    assert found.text == pods.HOST_NETWORK
    assert judged(None) == []
    assert judged("  ") == []


def test_a_pod_called_kube_system_gets_its_status() -> None:
    (found,) = judged("net", name="kube-system")

    assert found.row == pods.SYSTEM_NAME


@pytest.mark.parametrize(
    ("networks", "said"),
    [("away/net", "it would refuse lab/web"), ("net", "no pod"), ("[null]", "no pod")],
)
def test_what_isolation_would_refuse_is_told_where_it_is_off(networks: str, said: str) -> None:
    pod = AskingPod(namespace="lab", name="web", annotations={pods.NETWORKS: networks})
    text = SettingsText(where="daemon-config.json", raw=b'{"socketDir": "/run/multus"}')

    found = pods.judge(Facts(definitions=DEFINITIONS, pods=(pod,), settings=(text,)))[-1]

    assert found.subject == "setting namespaceIsolation"
    assert said in found.text


def test_of_many_pods_that_isolation_would_refuse_a_few_are_named() -> None:
    asking = tuple(
        AskingPod(namespace="lab", name=f"web-{n}", annotations={pods.NETWORKS: "away/net"})
        for n in range(7)
    )
    text = SettingsText(where="daemon-config.json", raw=b"{}")

    found = pods.judge(Facts(definitions=DEFINITIONS, pods=asking, settings=(text,)))[-1]

    assert found.text.endswith("lab/web-4 and 2 more")
