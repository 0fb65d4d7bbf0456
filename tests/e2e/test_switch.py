"""The switch from Multus with pods that run: the reference itself attaches them, ours ends them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from tests.e2e import multus, reference
from tests.e2e.networks import bridge, macvlan, tuning
from tests.e2e.node import PRIMARY, Node
from tests.e2e.programs import wait_until

if reference.program("multus") is None:
    pytest.skip(reference.NOT_BUILT, allow_module_level=True)

SIDE = {"cniVersion": "1.0.0", "name": "side", **macvlan()}
CHAIN = {"cniVersion": "1.0.0", "name": "chained", "plugins": [bridge(51), tuning()]}
OLD = {"cniVersion": "0.3.1", "name": "old", **bridge(51)}
NETWORKS = ("cluster", "side", "chained", "old")


@pytest.fixture(params=["by what attached them", "by the built-in types"])
def switched(request: pytest.FixtureRequest, node: Node) -> Iterator[Node]:
    """Let a node be Multus's; its executables are still there after the switch, or not."""
    multus.configure(node, PRIMARY, SIDE, CHAIN, OLD)
    kept = request.param == "by what attached them"
    if kept:
        for path in multus.folder(node).iterdir():
            shutil.copy2(path, node.root / "plugins" / path.name)
    yield node
    multus.withdraw(node)
    for name in multus.PLUGINS if kept else ():
        (node.root / "plugins" / name).unlink()
    # The reference's bridge asks iptables too, which leaves an empty table behind.
    subprocess.run(["nft", "delete", "table", "ip", "nat"], capture_output=True, check=False)


def leases(node: Node) -> list[str]:
    """Return the addresses that are taken, by network."""
    return sorted(
        f"{path.parent.name} {path.name}"
        for name in NETWORKS
        for path in (node.leases / name).glob("10.*")
    )


def test_pods_that_multus_attached_end_through_ours(switched: Node) -> None:
    node = switched
    pods = [node.pod(f"settled-{number}", "") for number in range(2)]
    sandboxes = [multus.run_pod(node, pod, by_multus=True) for pod in pods]
    before = multus.attached(node)

    multus.withdraw(node)
    newer = multus.run_pod(node, node.pod("newcomer", "left"), by_multus=False)
    for sandbox in (*sandboxes, newer):
        multus.end_pod(node, sandbox)

    assert len(before) == 2 * (1 + len(NETWORKS))
    assert multus.attached(node) == []
    assert leases(node) == []
    assert node.daemon.tail(400).count("takeover.done") >= 2


def test_pods_that_end_while_the_new_daemon_is_away_are_taken_down_when_it_comes(
    switched: Node,
) -> None:
    node = switched
    sandbox = multus.run_pod(node, node.pod("orphan", ""), by_multus=True)
    multus.withdraw(node)
    multus.end_pod(node, multus.run_pod(node, node.pod("proof", ""), by_multus=False))

    node.daemon.stop()
    multus.end_pod(node, sandbox)
    taken_meanwhile = leases(node)
    node.start_daemon()
    wait_until(lambda: multus.attached(node) == [], "the kept DEL is carried out")

    assert len(taken_meanwhile) == len(NETWORKS)
    assert leases(node) == []
