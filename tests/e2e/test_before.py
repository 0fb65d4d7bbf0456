"""A pod of before: attached when the runtime called the primary itself, ended when it calls us."""

from __future__ import annotations

import json

from tests.e2e.networks import bridge
from tests.e2e.node import Node
from tests.e2e.programs import wait_until

ALONE = "00-alone.conflist"


def test_a_pod_that_the_primary_attached_alone_leaves_nothing(node: Node) -> None:
    plugin = bridge(51)
    plugin["ipam"]["dataDir"] = str(node.leases)
    config = {"cniVersion": "1.0.0", "name": "alone", "plugins": [plugin]}
    conf = node.root / "net.d" / ALONE
    conf.write_text(json.dumps(config))
    pod = node.pod("settled", "")
    sandboxes: list[str] = []

    def is_alone() -> bool:
        sandboxes.append(node.runtime.run_pod(pod))
        if leases(node):
            return True
        end(node, sandboxes.pop())
        return False

    wait_until(is_alone, "the runtime calls the primary", every_s=0.3)
    conf.unlink()
    wait_until(lambda: is_ours(node), "the runtime calls us", every_s=0.3)

    end(node, sandboxes[0])

    assert leases(node) == []
    assert "takeover.done" in node.daemon.tail(50)


def leases(node: Node) -> list[str]:
    """Return the primary's addresses that are taken."""
    return sorted(path.name for path in (node.leases / "alone").glob("10.*"))


def is_ours(node: Node) -> bool:
    """Start and end another pod, and tell whether the daemon attached it."""
    sandbox = node.runtime.run_pod(node.pod("newcomer", ""))
    found = bool(node.rows())
    end(node, sandbox)
    return found


def end(node: Node, sandbox: str) -> None:
    """Stop and remove a pod."""
    node.runtime.stop_pod(sandbox)
    node.runtime.remove_pod(sandbox)
