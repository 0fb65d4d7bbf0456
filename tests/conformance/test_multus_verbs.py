"""CHECK, STATUS, GC and VERSION with fake plugins: rows L.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from polypod.cni import failure
from polypod.cni import request as cni_request
from polypod.cni.request import Request
from polypod.engine import collect, status
from polypod.engine.doors import Caller, Doors
from polypod.errors import (
    ForeignError,
    IncompatibleVersionError,
    PolypodError,
    StorageError,
    UnavailableError,
)
from polypod.plan.foreign import ForeignCall
from polypod.store.journal import SqliteJournal
from polypod.testing.node import Node, Sandbox

PLUGIN = "import sys; from polypod.cli.plugin import main; sys.exit(main('bridge'))"


def config(name: str, version: str, *types: str) -> str:
    plugins = [{"type": type_} for type_ in types]
    return json.dumps({"name": name, "cniVersion": version, "plugins": plugins})


def made(version: str = "1.1.0") -> Node:
    node = Node()
    node.networks.raw = config("weave1", version, "weave-net").encode()
    node.source.add_definition("test", "other1", config("other1", version, "other-plugin"))
    for type_ in ("weave-net", "other-plugin"):
        node.foreign.add(type_, json.dumps({"cniVersion": version}).encode())
    return node


def pod_of(node: Node, name: str = "testpod") -> Sandbox:
    return node.add_pod("test", name, networks="other1")


def told(node: Node, command: str) -> list[tuple[str, str]]:
    return [(call.type, call.ifname) for call in node.foreign.calls if call.command == command]


@pytest.mark.parametrize(
    "version",
    [pytest.param("0.4.0", id="L01-0.4.0"), pytest.param("1.0.0", id="L01-1.0.0"), "1.1.0"],
)
def test_every_network_is_checked(version: str) -> None:
    node = made(version)
    pod = pod_of(node)
    node.add(pod)

    node.check(pod)
    node.delete(pod)

    assert told(node, "CHECK") == [("weave-net", "eth0"), ("other-plugin", "net1")]
    assert node.foreign.stdin(2)["prevResult"] is not None


def test_l03_the_primary_is_checked_too() -> None:
    """The reference checks nothing when its primary is a clusterNetwork."""
    node = made()
    pod = node.add_pod("test", "testpod")
    node.add(pod)

    node.check(pod)

    assert told(node, "CHECK") == [("weave-net", "eth0")]


def test_a_failed_check_is_the_plugins_own_error() -> None:
    node = made()
    pod = pod_of(node)
    node.add(pod)

    def script(call: ForeignCall) -> bytes:
        raise ForeignError(f"{call.command}: the route is gone", code=103)

    node.foreign.add("other-plugin", script)

    with pytest.raises(ForeignError, match="CHECK: the route is gone") as raised:
        node.check(pod)
    assert raised.value.code == 103


def test_l04_a_network_that_knows_no_check_is_not_checked() -> None:
    """The reference calls that an error; a healthy pod would fail for a secondary network."""
    node = made("0.3.1")
    pod = pod_of(node)
    node.add(pod)

    node.check(pod)

    assert told(node, "CHECK") == []


def test_a_pod_that_nobody_recorded_is_not_checked() -> None:
    node = made()

    node.check(pod_of(node))

    assert node.foreign.calls == []


@pytest.mark.parametrize(
    "types",
    [
        pytest.param(("weave-net",), id="L06"),
        pytest.param(("portmap", "weave-net"), id="L06-list"),
    ],
)
def test_a_plugins_status_is_passed_on(types: tuple[str, ...]) -> None:
    node = made()
    node.networks.raw = config("weave1", "1.1.0", *types).encode()
    node.foreign.add("portmap")

    def script(call: ForeignCall) -> bytes:
        assert (call.command, call.container_id, call.netns, call.ifname) == ("STATUS", "", "", "")
        raise ForeignError("status failed", code=50)

    node.foreign.add("weave-net", script)

    with pytest.raises(ForeignError, match="status failed") as raised:
        node.is_ready()
    assert raised.value.code == 50


def test_l07_the_runtime_sees_the_plugins_code() -> None:
    """The reference's shim says 999."""
    answer = json.loads(failure.render(ForeignError("status failed", code=50)))

    assert (answer["code"], answer["msg"]) == (50, "status failed")


@pytest.mark.parametrize(
    ("plugin", "asked"),
    [
        pytest.param({"type": "bridge"}, [], id="built-in"),
        pytest.param({"type": "bridge", "ipam": {"type": "host-local"}}, [], id="built-in-ipam"),
        pytest.param({"type": "bridge", "ipam": {"type": "dhcpd"}}, ["dhcpd"], id="foreign-ipam"),
        pytest.param({"type": "weave-net", "ipam": {"type": "dhcpd"}}, ["weave-net"], id="foreign"),
    ],
)
def test_what_is_not_built_in_is_asked(plugin: dict[str, object], asked: list[str]) -> None:
    node = made()
    node.networks.raw = json.dumps({
        "name": "weave1", "cniVersion": "1.1.0", "plugins": [plugin],
    }).encode()  # fmt: skip
    node.foreign.add("dhcpd")

    node.is_ready()
    node.collect()

    assert node.foreign.told("STATUS") == asked
    assert node.foreign.told("GC") == asked


def test_an_older_primary_is_not_asked_for_its_status() -> None:
    node = made("1.0.0")
    node.foreign.add("weave-net", lambda call: pytest.fail(call.command))

    node.is_ready()


def test_a_primary_that_cannot_be_read_is_no_ready_node() -> None:
    node = made()
    node.networks.broken = StorageError("primary network: no such file or directory")

    with pytest.raises(UnavailableError, match="no such file") as raised:
        node.is_ready()
    assert raised.value.code == 50


VALID = ("cni.dev/attachments", "cni.dev/valid-attachments")


def test_l09_the_primarys_plugins_hear_what_is_valid() -> None:
    node = made()
    kept, lost = pod_of(node, "kept"), pod_of(node, "lost")
    for pod in (kept, lost):
        node.add(pod)

    node.collect("kept")

    assert told(node, "GC") == [("weave-net", "")]
    stdin = node.foreign.stdin(-1)
    assert {key: stdin[key] for key in ("name", "cniVersion", "type")} == {
        "name": "weave1", "cniVersion": "1.1.0", "type": "weave-net",
    }  # fmt: skip
    valid = [
        {"containerID": "kept", "ifname": "eth0"},
        {"containerID": "kept", "ifname": "net1"},
    ]
    assert [stdin[key] for key in VALID] == [valid, valid]
    assert told(node, "DEL") == [("other-plugin", "net1"), ("weave-net", "eth0")]
    assert {record.container_id for record in node.journal.all()} == {"kept"}


def test_l10_with_nothing_valid_the_plugins_hear_that() -> None:
    node = made()

    node.collect()

    assert told(node, "GC") == [("weave-net", "")]
    assert node.foreign.stdin(0)["cni.dev/valid-attachments"] == []


def test_a_primary_may_wish_not_to_hear() -> None:
    node = made()
    node.networks.raw = json.dumps(
        {
            "name": "weave1",
            "cniVersion": "1.1.0",
            "disableGC": True,
            "plugins": [{"type": "weave-net"}],
        }
    ).encode()

    node.collect()

    assert node.foreign.calls == []


def test_l12_a_record_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    node = made()
    node.journal = SqliteJournal(tmp_path / "journal.db")  # type: ignore[assignment]
    node.add(pod_of(node, "a"))
    node.add(pod_of(node, "b"))
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE attachment SET record = '{' WHERE container_id = 'a'")
    database.close()

    node.collect("b")

    assert told(node, "DEL") == []
    assert told(node, "GC") == [("weave-net", "")]


@pytest.mark.parametrize(
    ("command", "verb"),
    [
        pytest.param("STATUS", status.status, id="L13"),
        pytest.param("GC", collect.collect, id="L13-gc"),
    ],
)
@pytest.mark.parametrize("arguments", [{}, {"CNI_ARGS": ""}], ids=["unset", "empty"])
def test_verbs_that_name_no_container_need_no_arguments(
    command: str, verb: Callable[[Request, Caller, Doors], None], arguments: dict[str, str]
) -> None:
    node = made()
    stdin = {"cniVersion": "1.1.0", "name": "polypod", "type": "polypod", VALID[1]: []}
    environment = {"CNI_COMMAND": command, "CNI_PATH": "/opt/cni/bin", **arguments}

    verb(cni_request.parse(environment, json.dumps(stdin).encode()), Caller(), node.doors())

    assert node.foreign.told(command) == ["weave-net"]


def test_l15_an_old_configuration_knows_no_status() -> None:
    environment = {"CNI_COMMAND": "STATUS", "CNI_PATH": "/opt/cni/bin"}

    with pytest.raises(PolypodError, match="config version does not allow STATUS") as raised:
        cni_request.parse(environment, b'{"cniVersion":"0.3.1","name":"n","type":"polypod"}')
    assert isinstance(raised.value, IncompatibleVersionError)
    assert raised.value.code == 1


def test_l16_without_a_command_a_plugin_says_what_it_is() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PLUGIN],
        env={"PATH": "/usr/bin", "PYTHONPATH": ":".join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert (done.returncode, done.stdout) == (0, "")
    assert "CNI protocol versions supported: 0.1.0, 0.2.0, 0.3.0" in done.stderr


def test_version_lists_every_version() -> None:
    assert failure.version_answer() == (
        b'{"cniVersion":"1.1.0","supportedVersions":'
        b'["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0","1.0.0","1.1.0"]}\n'
    )
