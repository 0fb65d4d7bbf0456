"""Which chained plugins have nothing to do, and which have to judge their configuration."""

from __future__ import annotations

import json

import pytest

from polypod.cni.idle import is_idle


def says(config: str) -> bool:
    decoded: dict[str, object] = json.loads(config)
    return is_idle(decoded)


@pytest.mark.parametrize(
    "config",
    [
        '{"type": "portmap"}',
        '{"type": "portmap", "snat": true, "runtimeConfig": {}}',
        '{"type": "portmap", "runtimeConfig": null}',
        '{"type": "portmap", "runtimeConfig": {"portMappings": []}}',
        '{"type": "portmap", "runtimeConfig": {"portMappings": null}}',
        '{"type": "portmap", "runtimeConfig": {"bandwidth": {"ingressRate": 1}}}',
        '{"type": "bandwidth"}',
        '{"type": "bandwidth", "runtimeConfig": {"bandwidth": {}}}',
        '{"type": "bandwidth", "runtimeConfig": {"portMappings": [{"hostPort": 1}]}}',
    ],
)
def test_without_a_wish_of_the_pod_there_is_nothing_to_do(config: str) -> None:
    assert says(config)


@pytest.mark.parametrize(
    "config",
    [
        '{"type": "portmap", "runtimeConfig": {"portMappings": [{"hostPort": 1}]}}',
        '{"type": "portmap", "RuntimeConfig": {"PORTMAPPINGS": [{}]}}',
        '{"type": "portmap", "runtimeConfig": {"portMappings": {}}}',
        '{"type": "portmap", "runtimeConfig": {"portMappings": ""}}',
        '{"type": "bandwidth", "ingressRate": 0}',
        '{"type": "bandwidth", "EgressBurst": null}',
        '{"type": "bandwidth", "runtimeConfig": {"bandwidth": {"ingressRate": 0}}}',
        '{"type": "bandwidth", "runtimeConfig": {"bandwidth": []}}',
    ],
)
def test_a_wish_and_what_might_be_wrong_is_the_plugins_own(config: str) -> None:
    assert not says(config)


@pytest.mark.parametrize("type_", ["firewall", "tuning", "sbr", "Portmap", "vendor"])
def test_no_other_plugin_is_known_to_be_idle(type_: str) -> None:
    assert not is_idle({"type": type_})
