"""ADD and DEL of several networks with fake plugins: rows K.

Ids are the rows of the acceptance vectors; test_multus_rows.py counts them. The reference's two
inline delegates are our primary, weave1, and one definition, other1. Its sandbox cache is our
journal.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from polypod.engine import detach
from polypod.engine.doors import Caller
from polypod.errors import ConflictError, ForeignError, PolypodError, StorageError
from polypod.plan.foreign import ForeignCall
from polypod.store.journal import SqliteJournal
from polypod.store.multus_cache import MultusCache
from polypod.testing.node import CONFIG, Node, Sandbox

Calls = list[tuple[str, str, str]]
VERSIONS = ("0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0")


def answered(address: str, version: str = "1.0.0") -> bytes:
    if version == "0.2.0":
        return json.dumps({"cniVersion": version, "ip4": {"ip": address}}).encode()
    ip: dict[str, object] = {"address": address}
    if version < "1":
        ip["version"] = "4"
    return json.dumps({"cniVersion": version, "ips": [ip]}).encode()


def config(name: str, type_: str, version: str = "1.0.0") -> str:
    return json.dumps({"name": name, "cniVersion": version, "type": type_})


@pytest.fixture
def node() -> Node:
    """Three definitions of type other-plugin, and a primary of type weave-net."""
    made = Node()
    made.networks.raw = config("weave1", "weave-net").encode()
    made.foreign.add("weave-net", answered("1.1.1.2/24"))
    made.foreign.add("other-plugin", answered("1.1.1.3/24"))
    for name in ("net1", "net2", "net3", "other1"):
        made.source.add_definition("test", name, config(name, "other-plugin"))
    return made


def calls(node: Node) -> Calls:
    return [(call.command, call.type, call.ifname) for call in node.foreign.calls]


def failing(text: str, command: str = "ADD") -> Callable[[ForeignCall], bytes]:
    """A plugin that answers one command with an error, and every other with nothing."""

    def script(call: ForeignCall) -> bytes:
        if call.command == command:
            raise ForeignError(text)
        return b"{}" if call.command == "ADD" else b""

    return script


def pod_of(node: Node, networks: str = "other1", **given: Any) -> Sandbox:
    return node.add_pod("test", "testpod", networks=networks, **given)


def refused(act: Callable[[], object], text: str) -> PolypodError:
    with pytest.raises(PolypodError, match=re.escape(text)) as raised:
        act()
    return raised.value


BOTH: Calls = [("ADD", "weave-net", "eth0"), ("ADD", "other-plugin", "net1")]
BOTH_GONE: Calls = [("DEL", "other-plugin", "net1"), ("DEL", "weave-net", "eth0")]


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_is_added_and_deleted(node: Node, version: str) -> None:
    node.networks.raw = config("weave1", "weave-net", version).encode()
    node.source.add_definition("test", "other1", config("other1", "other-plugin", version))
    node.foreign.add("weave-net", answered("1.1.1.2/24", version))
    node.foreign.add("other-plugin", answered("1.1.1.3/24", version))
    pod = pod_of(node)

    answer = node.add(pod, {**CONFIG, "cniVersion": version})
    node.delete(pod)

    assert calls(node) == BOTH + BOTH_GONE
    assert "1.1.1.2/24" in json.dumps(answer)
    assert answer["cniVersion"] == version


@pytest.mark.parametrize("result", [b"{}", b"null"])
def test_k02_an_empty_result_is_no_error(node: Node, result: bytes) -> None:
    node.foreign.add("other-plugin", result)

    answer = node.add(pod_of(node))

    assert answer["ips"] == [{"address": "1.1.1.2/24"}]
    assert calls(node) == BOTH


def test_k03_no_plugin_runs_where_there_is_no_namespace(node: Node) -> None:
    sandbox = Sandbox(container_id="c1", netns="fsdadfad")

    error = refused(
        lambda: node.add(sandbox),
        'no net namespace fsdadfad found: failed to Statfs "fsdadfad": no such file or directory',
    )

    assert error.cause.startswith('[//:weave1]: error adding container to network "weave1": ')
    assert node.foreign.calls == []
    assert node.journal.all() == ()


def test_k05_a_failure_takes_everything_back(node: Node) -> None:
    node.foreign.add("other-plugin", failing("expected plugin failure"))
    pod = pod_of(node, uid="u1")

    error = refused(
        lambda: node.add(pod),
        '[test/testpod/u1:other1]: error adding container to network "other1":'
        " expected plugin failure",
    )

    assert calls(node) == BOTH + BOTH_GONE
    assert error.code == 999
    assert node.journal.all() == ()
    assert node.status.texts == {}


def test_k05_without_a_pod_the_error_names_the_network_only(node: Node) -> None:
    node.foreign.add("weave-net", failing("expected plugin failure"))

    refused(
        lambda: node.add(node.sandbox("c1")),
        '[//:weave1]: error adding container to network "weave1": expected plugin failure',
    )


def test_k06_a_network_without_a_name_is_found_out_before_anything_runs(node: Node) -> None:
    """The reference runs the first delegate and takes it back."""
    node.networks.raw = b'{"name":"","cniVersion":"0.2.0","type":"weave-net"}'

    refused(lambda: node.add(pod_of(node)), "no name")

    assert node.foreign.calls == []


def test_k08_the_primary_comes_first_and_its_result_is_the_answer(node: Node) -> None:
    answer = node.add(pod_of(node, "net1,net2"))

    assert calls(node) == [
        ("ADD", "weave-net", "eth0"),
        ("ADD", "other-plugin", "net1"),
        ("ADD", "other-plugin", "net2"),
    ]
    assert answer["ips"] == [{"address": "1.1.1.2/24"}]
    assert [node.foreign.stdin(place)["name"] for place in (1, 2)] == ["net1", "net2"]


def test_k11_del_needs_nothing_but_the_journal(node: Node) -> None:
    pod = pod_of(node)
    node.add(pod)
    assert [record.ifname for record in node.journal.of_container(pod.container_id)] == [
        "eth0",
        "net1",
    ]
    node.source.pods.clear()
    node.source.definitions.clear()
    node.networks.raw = None

    node.delete(pod)

    assert calls(node) == BOTH + BOTH_GONE
    assert node.journal.all() == ()


def test_k14_a_record_that_cannot_be_read_is_passed_over(node: Node, tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.db")
    node.journal = journal  # type: ignore[assignment]
    pod = pod_of(node)
    node.add(pod)
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE attachment SET record = 'garbage'")
    database.close()
    node.foreign.calls.clear()

    node.delete(pod)

    assert node.foreign.calls == []
    journal.close()


def test_k15_without_room_for_the_journal_nothing_is_done(node: Node) -> None:
    node.journal.full = True

    error = refused(lambda: node.add(pod_of(node)), "disk is full")

    assert isinstance(error, StorageError)
    assert node.foreign.calls == []


@pytest.mark.parametrize(
    ("said", "known", "annotations", "is_fine"),
    [
        pytest.param("u1", "u1", {}, True, id="K17"),
        pytest.param("u2", "u1", {"kubernetes.io/config.source": "file"}, True, id="K18"),
        pytest.param("u2", "u1", {"kubernetes.io/config.source": "api"}, False, id="other-pod"),
        pytest.param("", "u1", {}, True, id="not-told"),
        pytest.param("u1", "", {}, True, id="not-known"),
    ],
)
def test_a_pods_uid_is_compared(
    node: Node, *, said: str, known: str, annotations: dict[str, str], is_fine: bool
) -> None:
    pod = pod_of(node, uid=said)
    told = {**node.source.pods["test", "testpod"].annotations, **annotations}
    node.source.add_pod("test", "testpod", uid=known, annotations=told)

    if is_fine:
        node.add(pod)
        assert calls(node) == BOTH
    else:
        refused(lambda: node.add(pod), 'expected pod UID "u2" but got "u1"')
        assert node.foreign.calls == []


def test_k23_the_primary_alone_is_added_and_deleted_once(node: Node) -> None:
    pod = node.add_pod("test", "testpod")

    node.add(pod)
    node.delete(pod)

    assert calls(node) == [("ADD", "weave-net", "eth0"), ("DEL", "weave-net", "eth0")]


def test_k24_a_list_is_added_in_order_and_deleted_in_reverse(node: Node) -> None:
    node.networks.raw = json.dumps(
        {
            "name": "weave1",
            "cniVersion": "1.0.0",
            "plugins": [{"type": "weave-net"}, {"type": "other-plugin", "x": 1}],
        }
    ).encode()
    pod = node.add_pod("test", "testpod")

    node.add(pod)
    node.delete(pod)

    assert calls(node) == [
        ("ADD", "weave-net", "eth0"),
        ("ADD", "other-plugin", "eth0"),
        ("DEL", "other-plugin", "eth0"),
        ("DEL", "weave-net", "eth0"),
    ]
    shown = [node.foreign.stdin(place).get("prevResult") for place in range(4)]
    first = {"cniVersion": "1.0.0", "ips": [{"address": "1.1.1.2/24"}]}
    last = {"cniVersion": "1.0.0", "ips": [{"address": "1.1.1.3/24"}]}
    assert shown == [None, first, last, last]


def test_a_list_says_which_plugin_failed(node: Node) -> None:
    node.networks.raw = json.dumps({
        "name": "weave1", "cniVersion": "1.0.0",
        "plugins": [{"type": "weave-net"}, {"type": "bad"}],
    }).encode()  # fmt: skip
    node.foreign.add("bad", failing("expected plugin failure"))

    refused(
        lambda: node.add(node.sandbox("c1")),
        'plugin type="bad" name="weave1" failed (add): expected plugin failure',
    )


def test_k26_two_networks_of_one_interface_are_found_out_before_anything_runs(node: Node) -> None:
    """The reference attaches the first and takes it back."""
    error = refused(
        lambda: node.add(pod_of(node, "net1@net2,net2")), "interface name net2 already exists"
    )

    assert isinstance(error, ConflictError)
    assert node.foreign.calls == []


def test_an_interface_that_is_there_is_found_out_before_its_plugin_runs(node: Node) -> None:
    pod = pod_of(node)
    node.world.add(node.world.sandboxes[pod.netns], node.world.parent("net1"))

    refused(lambda: node.add(pod), "interface name net1 already exists")

    assert node.foreign.told("ADD") == ["weave-net"]
    assert "net1" in node.world.sandboxes[pod.netns].links


def test_k27_a_delete_after_a_failed_add_is_no_error(node: Node) -> None:
    node.foreign.add("other-plugin", failing("expected plugin failure"))
    pod = pod_of(node)
    refused(lambda: node.add(pod), "expected plugin failure")
    node.foreign.calls.clear()

    node.delete(pod)

    assert node.foreign.calls == []


def test_k27_what_could_not_be_taken_back_is_tried_again(node: Node) -> None:
    def script(call: ForeignCall) -> bytes:
        if call.command == "ADD" or node.foreign.told("DEL").count("other-plugin") == 1:
            raise ForeignError("expected plugin failure")
        return b""

    node.foreign.add("other-plugin", script)
    pod = pod_of(node)
    error = refused(lambda: node.add(pod), "expected plugin failure")
    assert error.__notes__ == ["undo: expected plugin failure"]
    assert [record.ifname for record in node.journal.all()] == ["net1"]

    node.delete(pod)

    assert node.journal.all() == ()
    assert node.foreign.told("DEL") == ["other-plugin", "weave-net", "other-plugin"]


def test_k29_a_delete_that_fails_is_said_and_can_be_repeated(node: Node) -> None:
    """The reference forgets unless it is told retryDeleteOnError."""
    pod = pod_of(node)
    node.add(pod)
    node.foreign.add("other-plugin", failing("no route to IPAM", command="DEL"))

    refused(lambda: node.delete(pod), "no route to IPAM")
    after_one = [record.ifname for record in node.journal.all()]
    node.foreign.add("other-plugin")
    node.delete(pod)

    assert after_one == ["net1"]
    assert node.journal.all() == ()
    assert node.foreign.told("DEL") == ["other-plugin", "weave-net", "other-plugin"]


def test_k35_a_pod_that_the_reference_attached_is_taken_back_from_its_cache(
    node: Node, tmp_path: Path
) -> None:
    plugins = [{"type": "weave-net", "vendorKey": 1}, {"type": "other-plugin"}]
    raw = json.dumps({"cniVersion": "1.0.0", "name": "weave-list", "plugins": plugins})
    entry = {
        "Conf": {"cniVersion": "", "name": "", "type": ""},
        "ConfList": json.loads(raw),
        "Name": "weave-list",
        "ifnameRequest": "",
        "Bytes": base64.b64encode(raw.encode()).decode(),
    }
    pod = pod_of(node)
    (tmp_path / "multus").mkdir()
    (tmp_path / "multus" / pod.container_id).write_text(json.dumps([entry]), encoding="utf-8")
    doors = replace(node.doors(), cache=MultusCache(tmp_path / "multus", tmp_path))

    detach.detach(pod.request("DEL"), Caller(), doors)

    assert calls(node) == [("DEL", "other-plugin", "eth0"), ("DEL", "weave-net", "eth0")]
    assert node.foreign.stdin(1)["vendorKey"] == 1
