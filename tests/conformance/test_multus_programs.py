"""The flows of rows K and L once more, with plugins that are real programs.

The harness of the vectors: a program writes down its command, its interface, CNI_ARGS and its
stdin, and answers what it finds beside itself.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from polypod.engine.doors import Settings
from polypod.errors import ForeignError, PolypodError
from polypod.foreign.run import ForeignDoor
from polypod.testing.node import Node, Sandbox

PROGRAM = """#!/bin/sh
me=$(basename "$0"); here=$(dirname "$0")
printf '%s\\n' "$CNI_COMMAND|$me|$CNI_IFNAME|$CNI_ARGS|$(cat)" >>"$here/calls"
[ -e "$here/$me.$CNI_COMMAND.error" ] && { cat "$here/$me.$CNI_COMMAND.error"; exit 1; }
[ -e "$here/$me.$CNI_COMMAND" ] && cat "$here/$me.$CNI_COMMAND"
exit 0
"""


class Programs:
    """A folder of plugins, and what they were told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, name: str, result: object = None) -> None:
        path = self.folder / name
        path.write_text(PROGRAM, encoding="utf-8")
        path.chmod(0o755)
        if result is not None:
            self.answers(name, "ADD", result)

    def answers(self, name: str, command: str, result: object) -> None:
        (self.folder / f"{name}.{command}").write_text(json.dumps(result), encoding="utf-8")

    def fails(self, name: str, command: str, **error: object) -> None:
        text = json.dumps({"cniVersion": "1.0.0", **error}) if error else ""
        (self.folder / f"{name}.{command}.error").write_text(text, encoding="utf-8")

    def recovers(self, name: str, command: str) -> None:
        (self.folder / f"{name}.{command}.error").unlink()

    def told(self) -> list[tuple[str, str, str]]:
        return [(line[0], line[1], line[2]) for line in self._lines()]

    def arguments(self, place: int) -> str:
        return self._lines()[place][3]

    def stdin(self, place: int) -> dict[str, Any]:
        return dict(json.loads(self._lines()[place][4]))

    def _lines(self) -> list[list[str]]:
        calls = self.folder / "calls"
        text = calls.read_text(encoding="utf-8") if calls.exists() else ""
        return [line.split("|", 4) for line in text.splitlines()]


def config(name: str, *types: str, version: str = "1.1.0") -> str:
    plugins = [{"type": type_} for type_ in types]
    return json.dumps({"name": name, "cniVersion": version, "plugins": plugins})


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    made = Programs(tmp_path)
    address = {"cniVersion": "1.0.0", "ips": [{"address": "1.1.1.2/24"}]}
    made.add("weave-net", address)
    made.add("other-plugin", {"cniVersion": "1.0.0"})
    return made


@pytest.fixture
def node(programs: Programs) -> Node:
    made = Node(settings=Settings(boot_id="boot-1", path=(str(programs.folder),)))
    made.foreign = ForeignDoor()  # type: ignore[assignment]
    made.networks.raw = config("weave1", "weave-net").encode()
    for name in ("net1", "net2"):
        made.source.add_definition("test", name, config(name, "other-plugin"))
    return made


def pod_of(node: Node, networks: str = "net1") -> Sandbox:
    return node.add_pod("test", "testpod", networks=networks)


def test_networks_are_added_in_order_and_deleted_in_reverse(node: Node, programs: Programs) -> None:
    pod = pod_of(node, "net1,net2")

    answer = node.add(pod)
    node.check(pod)
    node.delete(pod)

    names = [("weave-net", "eth0"), ("other-plugin", "net1"), ("other-plugin", "net2")]
    assert programs.told() == [
        *(("ADD", *name) for name in names),
        *(("CHECK", *name) for name in names),
        *(("DEL", *name) for name in reversed(names)),
    ]
    assert answer["ips"] == [{"address": "1.1.1.2/24"}]
    assert programs.arguments(1) == (
        "IgnoreUnknown=true;K8S_POD_NAMESPACE=test;K8S_POD_NAME=testpod;"
        "K8S_POD_INFRA_CONTAINER_ID=testpod;K8S_POD_UID="
    )
    assert programs.stdin(8)["prevResult"]["ips"] == [{"address": "1.1.1.2/24"}]


def test_a_failure_takes_everything_back(node: Node, programs: Programs) -> None:
    programs.fails("other-plugin", "ADD", code=7, msg="expected plugin failure", details="why")

    with pytest.raises(PolypodError, match="expected plugin failure") as raised:
        node.add(pod_of(node))

    assert raised.value.cause == (
        '[test/testpod/:net1]: error adding container to network "net1":'
        ' plugin type="other-plugin" name="net1" failed (add): expected plugin failure'
    )
    assert (raised.value.code, raised.value.details) == (7, "why")
    assert programs.told() == [
        ("ADD", "weave-net", "eth0"),
        ("ADD", "other-plugin", "net1"),
        ("DEL", "other-plugin", "net1"),
        ("DEL", "weave-net", "eth0"),
    ]
    assert node.journal.all() == ()


def test_a_plugin_that_says_nothing_and_fails_is_an_error(node: Node, programs: Programs) -> None:
    programs.fails("other-plugin", "ADD")

    with pytest.raises(PolypodError, match="netplugin failed with no error message"):
        node.add(pod_of(node))


def test_a_plugin_that_is_not_there_is_found_out_and_the_others_are_taken_back(
    node: Node, programs: Programs
) -> None:
    node.source.add_definition("test", "net2", config("net2", "no-such"))
    folder = re.escape(str(programs.folder))

    with pytest.raises(PolypodError, match=f'failed to find plugin "no-such" in path .{folder}'):
        node.add(pod_of(node, "net1,net2"))

    assert [name for name in programs.told() if name[0] == "DEL"] == [
        ("DEL", "other-plugin", "net1"),
        ("DEL", "weave-net", "eth0"),
    ]


def test_a_delete_that_fails_is_repeated(node: Node, programs: Programs) -> None:
    pod = pod_of(node)
    node.add(pod)
    programs.fails("other-plugin", "DEL", code=11, msg="try later")

    with pytest.raises(ForeignError, match="try later"):
        node.delete(pod)
    programs.recovers("other-plugin", "DEL")
    node.delete(pod)

    assert [name for name in programs.told() if name[0] == "DEL"] == [
        ("DEL", "other-plugin", "net1"),
        ("DEL", "weave-net", "eth0"),
        ("DEL", "other-plugin", "net1"),
    ]
    assert node.journal.all() == ()


def test_status_and_gc_reach_the_primarys_programs(node: Node, programs: Programs) -> None:
    node.add(pod_of(node))

    node.is_ready()
    node.collect("testpod")
    programs.fails("weave-net", "STATUS", code=50, msg="status failed")
    with pytest.raises(ForeignError, match="status failed") as raised:
        node.is_ready()

    assert raised.value.code == 50
    assert programs.told()[2:4] == [("STATUS", "weave-net", ""), ("GC", "weave-net", "")]
    assert programs.stdin(3)["cni.dev/valid-attachments"] == [
        {"containerID": "testpod", "ifname": "eth0"},
        {"containerID": "testpod", "ifname": "net1"},
    ]
