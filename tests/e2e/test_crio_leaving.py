"""Polypod leaves a node of CRI-O, which ends a pod with the configuration that it started it with.

That calls our shim, and CRI-O lets no pod end whose plugin is not there.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.e2e import reference
from tests.e2e.crio import Crio
from tests.e2e.node import POLYPOD, PRIMARY, Node
from tests.e2e.programs import output, wait_until

PLUGINS = ("bridge", "host-local")
RESULTS = Path("/var/lib/cni/results")


@pytest.fixture
def primary(node: Node, crio: Crio) -> Iterator[None]:
    """The primary's own configuration and plugins, there for CRI-O too; ours come back after."""
    if not all(map(reference.program, PLUGINS)):
        pytest.skip(reference.NOT_BUILT)
    plugin = json.loads(json.dumps(PRIMARY["plugins"][0]))
    plugin["ipam"]["dataDir"] = str(node.leases)
    conf = crio.networks / "10-primary.conflist"
    conf.write_text(json.dumps({**PRIMARY, "plugins": [plugin]}))
    for name in PLUGINS:
        shutil.copy2(reference.BUILT / name, node.root / "plugins" / name)
    output("ip", "netns", "add", "another")  # an empty /run/netns would tell nothing
    yield
    output("ip", "netns", "del", "another")
    conf.unlink()
    for name in PLUGINS:
        (node.root / "plugins" / name).unlink()
    # The reference's bridge asks iptables too, which leaves an empty table behind.
    subprocess.run(["nft", "delete", "table", "ip", "nat"], capture_output=True, check=False)
    crio.install()
    wait_until(crio.runtime.has_network, "CRI-O finds us again")


@pytest.mark.usefixtures("primary")
def test_a_pod_that_runs_ends_by_the_primary(node: Node, crio: Crio) -> None:
    sandbox = crio.runtime.run_pod(node.pod("outliving", "left"))
    node.daemon.stop()
    assert [path.name for path in RESULTS.iterdir()] == [f"polypod-{sandbox}-eth0"]

    places = {"--conf-dir": crio.networks, "--shim-dir": crio.plugins[0], "--state": node.state}
    words = (str(word) for pair in places.items() for word in pair)
    output(POLYPOD, "uninstall", *words, "--socket", str(node.socket))
    wait_until(lambda: "to cluster" in crio.program.tail(3), "CRI-O finds the primary")
    crio.runtime.stop_pod(sandbox)
    crio.runtime.remove_pod(sandbox)

    assert crio.remains() == []
    assert list(RESULTS.iterdir()) == []
    assert list((node.leases / "cluster").glob("10.*")) == []
    assert list((node.leases / "left").glob("10.*"))
    node.start_daemon()
    wait_until(lambda: not node.rows(), "the returning daemon takes back the other network")
