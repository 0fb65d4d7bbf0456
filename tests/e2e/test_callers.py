"""The shim under a plugin's name is that plugin: for an exec, for cnitool, for a Go plugin."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import reference, traces
from tests.e2e.networks import bridge
from tests.e2e.node import Node
from tests.e2e.programs import output
from tests.e2e.view import running

SANDBOX = "called"


@pytest.fixture
def sandbox(node: Node) -> Iterator[str]:
    """A namespace that no runtime knows; return its path."""
    del node  # its check for leaks comes after this one's end
    output("ip", "netns", "add", SANDBOX)
    yield f"/run/netns/{SANDBOX}"
    output("ip", "netns", "del", SANDBOX)


def addresses() -> dict[str, list[str]]:
    """Return the IPv4 addresses of the sandbox by interface."""
    links = json.loads(output("ip", "-n", SANDBOX, "-j", "-4", "addr"))
    return {link["ifname"]: [one["local"] for one in link["addr_info"]] for link in links}


def execute(
    node: Node, plugin: Path, command: str, config: dict[str, Any], **more: str
) -> dict[str, Any]:
    """Run a plugin as a runtime does and return its result, empty when it prints none."""
    variables = {
        "CNI_COMMAND": command,
        "CNI_CONTAINERID": "somebody",
        "CNI_NETNS": f"/run/netns/{SANDBOX}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(node.root / "bin"),
        "POLYPOD_SOCKET": str(node.socket),
        "POLYPOD_SPOOL": str(node.spool),
        **more,
    }
    done = subprocess.run(
        [plugin],
        input=json.dumps(config).encode(),
        capture_output=True,
        env={**os.environ, **variables},
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, (plugin.name, command, done.stdout, done.stderr)
    found: dict[str, Any] = json.loads(done.stdout or b"{}")
    return found


def config(node: Node, name: str, **more: Any) -> dict[str, Any]:
    """Return a single plugin's configuration with leases that the node looks after."""
    made: dict[str, Any] = {"cniVersion": "1.0.0", "name": name, **bridge(50), **more}
    made["ipam"] = {**made["ipam"], "dataDir": str(node.leases)}
    return made


def test_a_link_is_that_plugin_through_all_verbs(node: Node, sandbox: str) -> None:
    wanted = config(node, "by-name")
    link = node.root / "bin" / "bridge"

    result = execute(node, link, "ADD", wanted)
    there = addresses()
    execute(node, link, "CHECK", {**wanted, "prevResult": result})
    execute(node, link, "DEL", {**wanted, "prevResult": result})

    assert there["eth0"] == [result["ips"][0]["address"].partition("/")[0]]
    assert "eth0" not in addresses()
    assert result["interfaces"][-1]["sandbox"] == sandbox


def test_a_link_of_an_address_plugin_is_that_plugin(node: Node) -> None:
    link, wanted = node.root / "bin" / "host-local", config(node, "only-addresses")

    result = execute(node, link, "ADD", wanted)
    held = [path.name for path in (node.leases / "only-addresses").glob("10.*")]
    execute(node, link, "DEL", wanted)

    assert [result["ips"][0]["address"].partition("/")[0]] == held


def built(name: str) -> Path:
    found = reference.program(name)
    if found is None:
        pytest.skip(reference.NOT_BUILT)
    return found


def test_cnitool_attaches_checks_and_detaches_by_our_links(node: Node, sandbox: str) -> None:
    cnitool = built("cnitool")
    folder = node.root / "cnitool"
    folder.mkdir(exist_ok=True)
    listed = {
        "cniVersion": "1.0.0",
        "name": "tooled",
        "plugins": [config(node, "tooled"), {"type": "tuning", "mtu": 1400}],
    }
    (folder / "10-tooled.conflist").write_text(json.dumps(listed))
    variables = {
        "CNI_PATH": str(node.root / "bin"),
        "NETCONFPATH": str(folder),
        "POLYPOD_SOCKET": str(node.socket),
    }
    seen: list[bool] = []

    for verb in ("add", "check", "del"):
        subprocess.run(
            [cnitool, verb, "tooled", sandbox],
            env={**os.environ, **variables},
            capture_output=True,
            timeout=30,
            check=True,
        )
        seen.append("eth0" in addresses())

    assert seen == [True, True, False]


def test_a_go_plugin_in_a_pods_network_delegates_to_our_address_plugin(node: Node) -> None:
    shutil.copy(built("ptp"), node.root / "plugins" / "ptp")
    ipam = {"type": "host-local", "subnet": "10.77.0.0/24", "dataDir": str(node.leases)}
    node.network("pair", {"type": "ptp", "ipam": ipam})
    pod = node.pod("delegating", "left,pair")

    with running(node, pod) as view:
        links = view.links()
        held = [path.name for path in (node.leases / "pair").glob("10.*")]

    assert [str(address.ip) for address in links["net2"].addresses] == held
    assert [path.name for path in (node.leases / "pair").glob("10.*")] == []


def test_thirty_two_calls_inside_calls_do_not_wait_for_each_other(node: Node) -> None:
    shutil.copy(built("ptp"), node.root / "plugins" / "ptp")
    ipam = {"type": "host-local", "subnet": "10.78.0.0/24", "dataDir": str(node.leases)}
    node.network("pairs", {"type": "ptp", "ipam": ipam})
    names = [f"inside-{number}" for number in range(32)]
    for name in names:
        node.pod(name, "pairs")
        output("ip", "netns", "add", name)

    def call(command: str, name: str) -> None:
        execute(
            node,
            node.root / "bin" / "polypod",
            command,
            {"cniVersion": "1.0.0", "name": "polypod", "type": "polypod"},
            CNI_CONTAINERID=name,
            CNI_NETNS=f"/run/netns/{name}",
            CNI_ARGS=f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={name}",
        )

    with ThreadPoolExecutor(len(names)) as threads:
        for command in ("ADD", "DEL"):
            list(threads.map(partial(call, command), names))
            count = 32 if command == "ADD" else 0
            assert len(list((node.leases / "pairs").glob("10.*"))) == count
    for name in names:
        output("ip", "netns", "del", name)


def test_the_reference_and_ours_share_a_pool_without_giving_an_address_twice(node: Node) -> None:
    programs = (built("host-local"), node.root / "bin" / "host-local")
    wanted = config(node, "shared-pool")
    before = traces.read(node)

    def add(number: int) -> str:
        result = execute(
            node, programs[number % 2], "ADD", wanted, CNI_CONTAINERID=f"caller-{number}"
        )
        return str(result["ips"][0]["address"])

    def delete(number: int) -> None:  # by the other one of the two
        execute(node, programs[(number + 1) % 2], "DEL", wanted, CNI_CONTAINERID=f"caller-{number}")

    with ThreadPoolExecutor(8) as threads:
        first = list(threads.map(add, range(40)))
        list(threads.map(delete, range(40)))
        second = list(threads.map(add, range(40)))
        list(threads.map(delete, range(40)))

    assert len(set(first)) == len(set(second)) == 40
    assert not set(first) & set(second)  # round robin goes on where the other left off
    traces.assert_none(node, before)
