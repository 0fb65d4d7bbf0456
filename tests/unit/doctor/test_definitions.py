"""What a switch means for definitions: each row that a rule decides on, and everything else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from polypod.doctor.facts import AskingPod, Facts, NodeFiles
from polypod.doctor.finding import Effect, Finding
from polypod.doctor.rules import definitions
from polypod.nad.definition import Definition

POOL = {"type": "host-local", "subnet": "10.1.0.0/24"}
BRIDGE: dict[str, Any] = {"type": "bridge", "ipam": POOL}


def judged(config: object, plugins: frozenset[str] | None = None) -> list[Finding]:
    """Return what is said of one definition."""
    text = config if isinstance(config, str) else json.dumps({"cniVersion": "1.0.0", **_of(config)})
    definition = Definition(namespace="lab", name="net", config=text)
    facts = Facts(definitions=(definition,), node=NodeFiles(plugins=plugins))
    return list(definitions.judge(facts))


def _of(config: object) -> dict[str, Any]:
    assert isinstance(config, dict)
    return dict(config)


@pytest.mark.parametrize(
    ("config", "row", "effect"),
    [
        ({**BRIDGE, "ipMasq": True}, definitions.NFT, Effect.DIFFERS),
        ({**BRIDGE, "bridge": ""}, definitions.UNNAMED, Effect.DIFFERS),
        (
            {
                **BRIDGE,
                "isDefaultGateway": True,
                "ipam": {**POOL, "routes": [{"dst": "0.0.0.0/0"}]},
            },
            definitions.ONE_DEFAULT,
            Effect.DIFFERS,
        ),
        (
            {**BRIDGE, "ipam": {**POOL, "routes": [{"dst": "10.9.0.1/24"}]}},
            definitions.HOST_BITS,
            Effect.DIFFERS,
        ),
        ({**BRIDGE, "ipam": {**POOL, "dataDir": "leases"}}, definitions.RELATIVE, Effect.BLOCKS),
        ({**BRIDGE, "ipam": {**POOL, "dataDir": "/data"}}, definitions.OUTSIDE, Effect.BLOCKS),
        (
            {**BRIDGE, "ipam": {**POOL, "resolvConf": "/etc/dns/resolv.conf"}},
            definitions.OUTSIDE,
            Effect.BLOCKS,
        ),
        (
            {"plugins": [BRIDGE, {"type": "tuning", "sysctl": {"net.a": "1"}}]},
            definitions.SYSCTLS,
            Effect.DIFFERS,
        ),
        ({**BRIDGE, "capabilities": {"portMappings": True}}, definitions.LEAKS, Effect.DIFFERS),
        ({"disableCheck": True, "plugins": [BRIDGE]}, definitions.DISABLED, Effect.DIFFERS),
        ({"cniVersion": "", "plugins": [BRIDGE]}, definitions.NO_VERSION, Effect.DIFFERS),
        ({"type": "multus"}, definitions.META, Effect.BLOCKS),
    ],
    ids=lambda value: value.value if isinstance(value, Effect) else "",
)
def test_a_row_of_the_page_is_named_where_it_applies(
    config: dict[str, Any], row: str, effect: Effect
) -> None:
    found = [finding for finding in judged(config) if finding.effect is not Effect.SAME]

    assert [(finding.row, finding.effect) for finding in found] == [(row, effect)]


@pytest.mark.parametrize(
    "config",
    [
        BRIDGE,
        {**BRIDGE, "ipMasq": True, "ipMasqBackend": "nftables"},
        {**BRIDGE, "ipam": {**POOL, "dataDir": "/var/lib/cni/mine"}},
        {**BRIDGE, "ipam": {**POOL, "resolvConf": "/etc/resolv.conf"}},
        {**BRIDGE, "ipam": {**POOL, "routes": [{"dst": "10.9.0.0/24"}, {"dst": "fd00::/64"}]}},
        {"type": "macvlan", "master": "eth0", "ipam": {"type": "static"}},
        {"type": "bridge", "capabilities": {"ipRanges": True}, "ipam": {"type": "host-local"}},
        {"plugins": [BRIDGE, {"type": "tuning", "mtu": 1400}]},
    ],
)
def test_nothing_is_said_of_what_behaves_the_same(config: dict[str, Any]) -> None:
    (found,) = judged(config)

    assert found.effect is Effect.SAME
    assert found.text.startswith("behaves the same (")


@pytest.mark.parametrize(
    "config",
    [
        '{"cniVersion":',
        '["bridge"]',
        '{"cniVersion": "1.0.0"}',
        '{"cniVersion": "1.0.0", "plugins": []}',
        '{"cniVersion": "9.0.0", "type": "bridge"}',
        '{"cniVersion": "1.0.0", "type": "bridge", "ipam": 7}',
        '{"cniVersion": "1.0.0", "type": "bridge", "ipam": {"routes": [{"dst": "everywhere"}]}}',
        '{"cniVersion": "1.0.0", "type": "bridge", "vlan": 5000}',
        '{"cniVersion": "1.0.0", "type": "macvlan", "mode": "sideways"}',
        '{"cniVersion": "1.0.0", "type": "bridge", "ipam": {"type": "host-local"}}',
    ],
)
def test_what_no_pod_can_use_is_told_and_blocks_nothing(config: str) -> None:
    (found,) = judged(config)

    assert found.effect is Effect.BROKEN
    assert found.hint


def test_what_is_refused_though_pods_have_it_blocks_the_switch() -> None:
    config = '{"cniVersion": "1.0.0", "type": "bridge", "vlan": 5000}'
    definition = Definition(namespace="lab", name="net", config=config)
    status = {definitions.STATUS: '[{"name": "cbr0"}, {"name": "lab/net", "interface": "net1"}]'}
    garbled = {definitions.STATUS: "[{"}
    pods = tuple(
        AskingPod(namespace="lab", name=name, annotations=annotations)
        for name, annotations in (("a", status), ("b", garbled), ("c", {}))
    )

    (found,) = definitions.judge(Facts(definitions=(definition,), pods=pods))

    assert found.effect is Effect.BLOCKS
    assert found.text.startswith("works now, but is refused: ")


@pytest.mark.parametrize(
    ("plugins", "effect"),
    [(None, Effect.SAME), (frozenset({"sriov", "whereabouts"}), Effect.SAME)],
    ids=["unseen", "there"],
)
def test_plugins_of_others_stay(plugins: frozenset[str] | None, effect: Effect) -> None:
    found = judged({"type": "sriov", "ipam": {"type": "whereabouts"}}, plugins)

    assert {finding.effect for finding in found} == {effect}
    assert "needs the plugin sriov" in found[0].text
    assert "needs the plugin whereabouts" in found[1].text


def test_a_plugin_that_a_node_does_not_have_is_broken_already() -> None:
    found = judged({"type": "sriov"}, frozenset({"bridge"}))

    assert [finding.effect for finding in found] == [Effect.BROKEN]


def test_a_definition_that_names_a_file_needs_the_nodes_files() -> None:
    (found,) = judged("")

    assert found.effect is Effect.SAME
    assert found.hint == "keep the node's files"
