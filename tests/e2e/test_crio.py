"""A real CRI-O: pods with more networks, its folders, and a daemon that is away."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator

import pytest
from tests.e2e import traces
from tests.e2e.beside import daemon
from tests.e2e.crio import Crio
from tests.e2e.node import SHIM_WAIT_MS, Node
from tests.e2e.programs import output, wait_until
from tests.e2e.view import View, running

from polypod.errors import RpcError
from polypod.kube import cri
from polypod.kube.cri import CniFolders

FORGOTTEN = "forgotten"


def test_a_pod_has_its_two_extra_networks_until_it_ends(node: Node, crio: Crio) -> None:
    pod = node.pod("by-crio", "left,right")

    with running(node, pod, by=crio.runtime) as view:
        links, told = view.links(), crio.runtime.address(view.sandbox)
        status = node.status_of(pod)
        attached = {row["interface"]: row["state"] for row in node.attachments()}

    assert set(links) == {"lo", "eth0", "net1", "net2"}
    assert told == str(links["eth0"].addresses[0].ip)
    assert [entry["name"] for entry in status] == ["cluster", "default/left", "default/right"]
    for entry in status:
        link = links[entry["interface"]]
        assert entry["mac"] == link.mac
        assert entry["ips"] == [str(address.ip) for address in link.addresses]
    assert attached == dict.fromkeys(("eth0", "net1", "net2"), "attached")


def test_what_it_tells_of_its_folders_is_its_configuration(node: Node, crio: Crio) -> None:
    socket = crio.runtime.socket

    assert cri.cni_folders(socket) == CniFolders(conf=crio.networks, plugins=crio.plugins)
    with daemon(node, "by-crio", "--runtime-socket", str(socket)) as program:
        program.wait_until(lambda: "runtime.folders" in program.tail(), "asks the runtime")
        said = program.tail()
    path = ":".join(str(folder) for folder in crio.plugins)
    assert f"runtime.folders socket={socket} conf={crio.networks} plugins={path}" in said
    assert f"primary={crio.networks} path={path}" in said


def test_it_tells_its_folders_while_it_waits_for_its_plugin(node: Node, crio: Crio) -> None:
    crio.program.stop()
    node.daemon.stop()
    crio.start(is_ready=False)

    longest, end = 0.0, time.monotonic() + SHIM_WAIT_MS / 1000 + 2
    while time.monotonic() < end:  # it asks STATUS twice a second, each time as long as we wait
        began = time.monotonic()
        assert cri.cni_folders(crio.runtime.socket).conf == crio.networks
        longest = max(longest, time.monotonic() - began)

    assert longest >= cri.CALL_S, "its own Status did not wait"


def test_a_pod_ends_while_the_daemon_is_away_and_its_networks_go_when_it_returns(
    node: Node, crio: Crio
) -> None:
    before = traces.read(node)
    sandbox = crio.runtime.run_pod(node.pod("leaving-crio", "left,right"))
    node.daemon.stop()

    crio.runtime.stop_pod(sandbox, timeout_s=10)
    crio.runtime.remove_pod(sandbox)

    assert crio.remains() == []
    assert list(node.spool.glob("*.del"))
    assert len(node.rows()) == 3
    node.start_daemon()
    wait_until(lambda: not list(node.spool.glob("*.del")), "the kept DELs are carried out")
    traces.assert_none(node, before)


def test_a_pod_that_finds_no_daemon_is_told_to_try_again(node: Node, crio: Crio) -> None:
    pod, before = node.pod("waiting-crio", "left,right"), traces.read(node)
    node.daemon.stop()

    with pytest.raises(RpcError, match="the polypod daemon is away"):
        crio.runtime.run_pod(pod)

    assert crio.remains() == []
    node.start_daemon()
    traces.assert_none(node, before)
    with running(node, pod, by=crio.runtime) as view:
        assert "net2" in view.links()


@pytest.fixture
def forgotten(node: Node, crio: Crio) -> Iterator[str]:
    """A container that CRI-O never heard of, attached by the configuration that CRI-O calls."""
    output("ip", "netns", "add", FORGOTTEN)
    node.pod(FORGOTTEN, "left")
    call(node, crio, "ADD")
    yield FORGOTTEN
    call(node, crio, "DEL")
    output("ip", "netns", "del", FORGOTTEN)


def call(node: Node, crio: Crio, verb: str) -> None:
    """Call the shim as CRI-O does."""
    variables = {
        "CNI_COMMAND": verb,
        "CNI_CONTAINERID": FORGOTTEN,
        "CNI_NETNS": f"/run/netns/{FORGOTTEN}",
        "CNI_IFNAME": "eth0",
        "CNI_PATH": str(crio.plugins[0]),
        "CNI_ARGS": f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={FORGOTTEN}",
    }
    config = {"cniVersion": "1.1.0", "name": "polypod", "type": "polypod"}
    subprocess.run(
        [crio.plugins[0] / "polypod"],
        input=json.dumps(config).encode(),
        env={**os.environ, **node.containerd.environment, **variables},
        stdout=subprocess.DEVNULL,
        timeout=30,
        check=True,
    )


def test_when_it_starts_again_its_pods_keep_what_they_have_and_the_rest_is_collected(
    node: Node, crio: Crio, forgotten: str
) -> None:
    with running(node, node.pod("staying", "left,right"), by=crio.runtime) as view:
        before, rows = view.links(), set(node.rows())
        crio.program.stop()
        crio.start()
        wait_until(lambda: f"{forgotten} eth0" not in node.rows(), "GC is asked")
        seen, left = View(crio.runtime, view.sandbox, view.container).links(), set(node.rows())

    assert seen == before
    assert rows - left == {f"{forgotten} eth0", f"{forgotten} net1"}
    assert {row.split()[0] for row in left} == {view.sandbox}
