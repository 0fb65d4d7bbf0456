"""Other projects' plugins in a pod's networks: the shim runs them, in the runtime's own place."""

from __future__ import annotations

import json
import os
from ipaddress import ip_interface
from pathlib import Path

import pytest
from tests.e2e.node import Node
from tests.e2e.programs import wait_until
from tests.e2e.view import running

from polypod.errors import RpcError

SCRIPT = """\
#!/bin/sh
{{ echo "$CNI_COMMAND $CNI_IFNAME"; readlink /proc/$PPID/exe; readlink /proc/self/ns/mnt; }} >>{log}
config=$(cat)
{body}
"""
MAKES_A_LINK = """\
case $CNI_COMMAND in
ADD)
    ip link add "f$$" type veth peer name "$CNI_IFNAME" netns "${CNI_NETNS##*/}" &&
    ip -n "${CNI_NETNS##*/}" addr add 192.0.2.7/24 dev "$CNI_IFNAME" &&
    ip -n "${CNI_NETNS##*/}" link set "$CNI_IFNAME" up &&
    echo '{"cniVersion":"1.0.0",
        "interfaces":[{"name":"'"$CNI_IFNAME"'","sandbox":"'"$CNI_NETNS"'"}],
        "ips":[{"address":"192.0.2.7/24","interface":0}]}' ;;
DEL)
    [ -z "$CNI_NETNS" ] || ip -n "${CNI_NETNS##*/}" link del "$CNI_IFNAME" ;;
esac
"""


def place(node: Node, name: str, body: str) -> Path:
    """Install a plugin that is a script; return its log."""
    log = node.root / "logs" / f"{name}.log"
    path = node.root / "plugins" / name
    path.write_text(SCRIPT.format(log=log, body=body))
    path.chmod(0o755)
    return log


def test_a_foreign_plugin_runs_as_the_shims_child(node: Node) -> None:
    log = place(node, "elsewhere", MAKES_A_LINK)
    node.network("outside", {"type": "elsewhere"})
    pod = node.pod("guest", "left,outside")

    with running(node, pod) as view:
        links, status = view.links(), node.status_of(pod)

    assert links["net2"].addresses == (ip_interface("192.0.2.7/24"),)
    assert status[2]["ips"] == ["192.0.2.7"]
    said = log.read_text().splitlines()
    assert said[0::3] == ["ADD net2", "DEL net2"]
    assert set(said[1::3]) == {str(node.root / "bin" / "polypod")}
    assert set(said[2::3]) == {os.readlink(f"/proc/{node.containerd.pid}/ns/mnt")}


def test_a_daemon_that_returns_runs_the_foreign_plugins_of_pods_that_ended(node: Node) -> None:
    log = place(node, "returning", MAKES_A_LINK)
    node.network("outside-again", {"type": "returning"})
    pod = node.pod("absentee", "outside-again")
    sandbox = node.runtime.run_pod(pod)
    node.daemon.stop()
    node.runtime.stop_pod(sandbox)
    node.runtime.remove_pod(sandbox)

    node.start_daemon()
    wait_until(lambda: "DEL net1" in log.read_text(), "the daemon runs the plugin")

    starters = log.read_text().splitlines()[1::3]
    assert starters == [
        str(node.root / "bin" / "polypod"),
        os.readlink(f"/proc/{node.daemon.pid}/exe"),
    ]


def test_a_foreign_plugins_error_reaches_the_runtime_in_its_own_words(node: Node) -> None:
    error = json.dumps({"cniVersion": "1.0.0", "code": 103, "msg": "no lamps left", "details": "x"})
    place(node, "lamps", f"[ $CNI_COMMAND != ADD ] || {{ echo '{error}'; exit 1; }}")
    node.network("lit", {"type": "lamps"})
    pod = node.pod("dark", "left,lit")

    with pytest.raises(RpcError, match="no lamps left"):
        node.runtime.run_pod(pod)


def test_a_foreign_plugin_that_is_not_there_is_named_with_the_search_path(node: Node) -> None:
    node.network("absent", {"type": "not-installed"})
    pod = node.pod("lacking", "absent")

    with pytest.raises(RpcError) as refused:
        node.runtime.run_pod(pod)

    assert 'failed to find plugin "not-installed"' in str(refused.value)
    assert str(node.root / "plugins") in str(refused.value)
