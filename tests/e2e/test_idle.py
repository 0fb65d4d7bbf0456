"""The reference's own programs say what we rely on: without a wish they hand their result on."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from tests.e2e import reference
from tests.e2e.node import Node
from tests.e2e.programs import output
from tests.e2e.view import running

from polypod.cni.idle import is_idle

RESULT: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "interfaces": [
        {"name": "vetha", "mac": "02:00:00:00:00:01"},
        {"name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": "/run/netns/asked"},
    ],
    "ips": [{"address": "192.0.2.9/24", "gateway": "192.0.2.1", "interface": 1}],
    "routes": [{"dst": "0.0.0.0/0"}],
}
WISHES: tuple[dict[str, Any], ...] = (
    {},
    {"runtimeConfig": {}},
    {"runtimeConfig": {"portMappings": [], "bandwidth": {}}},
)


@pytest.fixture(params=["portmap", "bandwidth"])
def chained(request: pytest.FixtureRequest) -> str:
    """A plugin of the reference that is chained behind others."""
    name = str(request.param)
    if reference.program(name) is None:
        pytest.skip(reference.NOT_BUILT)
    return name


@pytest.fixture
def sandbox(node: Node) -> Iterator[None]:
    """A namespace with what the plugins before would have made."""
    del node  # its check for leaks comes after this one's end
    output("ip", "netns", "add", "asked")
    output("ip", "link", "add", "vetha", "type", "veth", "peer", "name", "eth0", "netns", "asked")
    yield
    output("ip", "link", "del", "vetha")
    output("ip", "netns", "del", "asked")


def run(command: str, config: Mapping[str, object]) -> bytes:
    """Run a reference program as a runtime does."""
    variables = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": "asked",
        "CNI_NETNS": "/run/netns/asked",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(reference.BUILT),
    }
    done = subprocess.run(
        [reference.BUILT / str(config["type"])],
        input=json.dumps(config).encode(),
        capture_output=True,
        env={**os.environ, **variables},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def node_state() -> tuple[str, ...]:
    """Return the rules, links and queues of the node."""
    links = ("ip", "-o", "link"), ("tc", "qdisc")
    return (output("nft", "list", "ruleset"), *(output(*command) for command in links))


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("wishes", WISHES, ids=["nothing", "no wishes", "empty wishes"])
def test_what_we_do_not_start_would_have_done_nothing(chained: str, wishes: dict[str, Any]) -> None:
    config = {"cniVersion": "1.0.0", "name": "n", "type": chained, "prevResult": RESULT, **wishes}
    before = node_state()

    added = json.loads(run("ADD", config))
    run("CHECK", config)
    run("DEL", config)

    assert is_idle(config)
    assert added == RESULT
    assert node_state() == before


def test_a_pod_without_host_ports_needs_no_portmap_on_its_node(node: Node) -> None:
    node.network("ports", {"type": "elsewhere-bridge"}, {"type": "portmap"})
    path = node.root / "plugins" / "elsewhere-bridge"
    path.write_text(f"#!/bin/sh\n[ $CNI_COMMAND != ADD ] || echo '{json.dumps(RESULT)}'\n")
    path.chmod(0o755)

    with running(node, node.pod("portless", "ports")) as view:
        del view
        status = node.status_of(node.pod("portless", "ports"))

    assert status[1]["ips"] == ["192.0.2.9"]
