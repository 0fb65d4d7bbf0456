"""A chained plugin that the pod gives nothing to do is not started, and what it had is not lost."""

from __future__ import annotations

import json

import pytest

from polypod.engine import preview
from polypod.errors import ForeignError
from polypod.plan.record import ForeignStep
from polypod.testing.node import CONFIG, Node

RESULT = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]}
PORTS = {**CONFIG, "runtimeConfig": {"portMappings": [{"hostPort": 80, "containerPort": 8080}]}}


@pytest.fixture
def chained(node: Node) -> Node:
    """A node whose primary is somebody's plugin, then portmap, then somebody's again."""
    plugins = [
        {"type": "first"},
        {"type": "portmap", "capabilities": {"portMappings": True}},
        {"type": "last"},
    ]
    primary = {"cniVersion": "1.0.0", "name": "primary", "plugins": plugins}
    node.networks.raw = json.dumps(primary).encode()
    for type_ in ("first", "portmap", "last"):
        node.foreign.add(type_, json.dumps(RESULT).encode())
    return node


def test_without_ports_portmap_is_not_started_by_any_verb(chained: Node) -> None:
    pod = chained.add_pod("default", "p", networks="mv")

    chained.add(pod)
    chained.check(pod)
    chained.delete(pod)

    for verb in ("ADD", "CHECK"):
        assert chained.foreign.told(verb) == ["first", "last"]
    assert chained.foreign.told("DEL") == ["last", "first"]


def test_the_plugin_after_it_sees_the_result_of_the_one_before_it(chained: Node) -> None:
    answer = chained.add(chained.add_pod("default", "p"))

    assert chained.foreign.stdin(1)["prevResult"] == RESULT
    assert answer["interfaces"] == RESULT["interfaces"]


def test_with_ports_it_is_started(chained: Node) -> None:
    pod = chained.add_pod("default", "p")

    chained.add(pod, PORTS)
    chained.delete(pod)

    assert chained.foreign.told("ADD") == ["first", "portmap", "last"]
    assert chained.foreign.told("DEL") == ["last", "portmap", "first"]


def test_as_the_last_of_its_chain_it_leaves_a_whole_record(node: Node) -> None:
    plugins = [{"type": "vendor"}, {"type": "bandwidth", "capabilities": {"bandwidth": True}}]
    primary = {"cniVersion": "1.0.0", "name": "primary", "plugins": plugins}
    node.networks.raw = json.dumps(primary).encode()

    node.add(node.add_pod("default", "p", networks="mv"))

    first, _ = node.journal.all()
    (step,) = first.steps
    assert isinstance(step, ForeignStep)
    assert (first.ifname, step.type) == ("eth0", "vendor")
    assert json.loads(first.result)["cniVersion"] == "1.1.0"


def test_first_in_its_chain_it_is_started_and_says_what_is_wrong(node: Node) -> None:
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"primary","type":"portmap"}'

    def complain(_call: object) -> bytes:
        raise ForeignError("must be called as chained plugin")

    node.foreign.add("portmap", complain)

    with pytest.raises(ForeignError, match="must be called as chained plugin"):
        node.add(node.add_pod("default", "p"))


def test_a_dry_run_says_that_it_is_not_run(chained: Node) -> None:
    chained.add_pod("default", "p")

    lines = list(preview.lines("default", "p", chained.doors()))

    assert "    plugin portmap: not run, it has nothing to do here" in lines
    assert any("plugin last: foreign" in line for line in lines)
