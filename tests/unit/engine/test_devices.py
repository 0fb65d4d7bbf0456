"""A network's device through ADD and DEL: plugins, files, network-status, the journal."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypod.errors import ForeignError, PolypodError, StorageError, TryAgainError
from polypod.plan.foreign import ForeignCall
from polypod.testing.node import Node, Sandbox

PCI = "0000:08:00.3"
RESOURCE = "example.com/nic"
SOURCE = "example.com-nic-0000:08:00.3-device.json"
FILE = "default-sriov-p_net1"
INFO = {"type": "pci", "version": "1.1.0", "pci": {"pci-address": PCI}}
CONFIG = {
    "cniVersion": "1.0.0",
    "name": "sriov",
    "type": "sriov",
    "capabilities": {"deviceID": True, "CNIDeviceInfoFile": True},
}
RESULT = {
    "cniVersion": "1.0.0",
    "interfaces": [{"name": "net1", "mac": "02:00:00:00:00:01", "sandbox": "/run/netns/p"}],
}


@pytest.fixture
def node() -> Node:
    node = Node()
    node.source.add_definition("default", "sriov", json.dumps(CONFIG), resource=RESOURCE)
    node.foreign.add("sriov", json.dumps(RESULT).encode())
    node.devices.give("default", "p", **{RESOURCE: (PCI,)})
    node.device_files.plugins[SOURCE] = json.dumps(INFO).encode()
    return node


def pod_of(node: Node, networks: str = "sriov") -> Sandbox:
    return node.add_pod("default", "p", networks=networks, uid="u1")


def shown(node: Node) -> list[dict[str, Any]]:
    return list(json.loads(node.status.texts["default", "p"]))


def test_a_plugin_is_told_its_device_and_where_the_file_is(node: Node) -> None:
    node.add(pod_of(node))

    stdin = node.foreign.stdin(0)
    assert (stdin["deviceID"], stdin["pciBusID"]) == (PCI, PCI)
    assert stdin["runtimeConfig"] == {
        "deviceID": PCI,
        "CNIDeviceInfoFile": f"/var/run/k8s.cni.cncf.io/devinfo/cni/{FILE}",
    }
    assert node.devices.asked == [("default", "p", "u1")]


def test_the_device_plugins_file_is_there_before_the_plugin_runs(node: Node) -> None:
    def sriov(call: ForeignCall) -> bytes:
        del call
        seen.append(dict(node.device_files.attachments))
        return json.dumps(RESULT).encode()

    seen: list[dict[str, bytes]] = []
    node.foreign.add("sriov", sriov)

    node.add(pod_of(node))

    assert seen == [{FILE: json.dumps(INFO).encode()}]
    assert node.trace.names().index("device_files.copy") > node.trace.names().index("journal.put")


def test_network_status_shows_what_is_known_of_the_device(node: Node) -> None:
    node.add(pod_of(node))

    assert [entry.get("device-info") for entry in shown(node)] == [INFO]


def test_a_plugin_may_write_the_file_itself(node: Node) -> None:
    own = {"type": "vhost-user", "vhost-user": {"mode": "server", "path": "/x"}}

    def sriov(call: ForeignCall) -> bytes:
        del call
        node.device_files.attachments[FILE] = json.dumps(own).encode()
        return json.dumps(RESULT).encode()

    node.foreign.add("sriov", sriov)

    node.add(pod_of(node, '[{"name":"sriov","deviceID":"d9"}]'))

    assert shown(node)[0]["device-info"] == own


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"junk", b"[]", b"{}", b"null", b'"text"', b'{"a":1e999}', b'{"\xff":1}'),
        pytest.param(b'{"a":"' + b"x" * 20_000 + b'"}', id="long"),
        pytest.param(b'{"a":' * 200 + b"1" + b"}" * 200, id="long when indented"),
        pytest.param(b'{"a":' * 990 + b"1" + b"}" * 990, id="deep"),
    ],
)
def test_a_file_that_says_nothing_is_not_shown(node: Node, content: bytes) -> None:
    node.device_files.plugins[SOURCE] = content

    node.add(pod_of(node))

    assert "device-info" not in shown(node)[0]


def test_del_removes_the_file(node: Node) -> None:
    pod = pod_of(node)
    node.add(pod)

    node.delete(pod)

    assert node.device_files.attachments == {}
    assert node.journal.all() == ()


def test_a_failed_add_removes_the_file_after_its_plugin_was_called_again(node: Node) -> None:
    def sriov(call: ForeignCall) -> bytes:
        seen.append(f"{call.command} {FILE in node.device_files.attachments}")
        if call.command == "ADD":
            raise ForeignError("no such device")
        return b""

    seen: list[str] = []
    node.foreign.add("sriov", sriov)

    with pytest.raises(PolypodError, match="no such device"):
        node.add(pod_of(node))

    assert seen == ["ADD True", "DEL True"]
    assert node.device_files.attachments == {}
    assert node.journal.all() == ()


def test_a_crash_between_the_copy_and_the_plugin_is_recovered_from(node: Node) -> None:
    class CrashError(BaseException):
        """The daemon is gone."""

    def crash(told: str) -> None:
        if told.startswith("foreign"):
            raise CrashError

    node.trace.watch = crash
    with pytest.raises(CrashError):
        node.add(pod_of(node))
    assert list(node.device_files.attachments) == [FILE]
    node.trace.watch = None

    node.recover()

    assert node.device_files.attachments == {}


def test_a_full_disk_leaves_no_file(node: Node) -> None:
    node.journal.full = True

    with pytest.raises(StorageError):
        node.add(pod_of(node))

    assert node.device_files.attachments == {}
    assert node.foreign.calls == []


def test_without_the_kubelet_nothing_is_attached(node: Node) -> None:
    node.devices.broken = TryAgainError("kubelet.sock: Connection refused")

    with pytest.raises(TryAgainError):
        node.add(pod_of(node))

    assert node.foreign.calls == []
    assert node.journal.all() == ()


def test_a_network_for_which_no_device_is_left_is_attached_without(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.add(pod_of(node, "sriov,sriov"))

    assert [node.foreign.stdin(place).get("deviceID") for place in (0, 1)] == [PCI, None]
    assert "device.none_left" in caplog.text
    (told,) = [event for event in node.events.told if event.is_warning]
    assert (told.pod, told.uid, told.reason) == ("default/p", "u1", "NoDeviceLeft")
    assert "network default/sriov wants a device of example.com/nic" in told.message


def test_a_pod_without_such_a_network_asks_nobody_and_writes_no_file(node: Node) -> None:
    node.source.add_definition("default", "plain", json.dumps({**CONFIG, "name": "plain"}))
    pod = pod_of(node, "plain")

    node.add(pod)
    node.delete(pod)

    assert not [stop for stop in node.trace.stops if stop.startswith("device")]


@given(
    ids=st.lists(st.text("abc", min_size=1, max_size=3), unique=True, max_size=6),
    count=st.integers(0, 8),
)
def test_no_device_is_given_twice_and_none_is_left_while_a_network_wants_one(
    ids: list[str], count: int
) -> None:
    node = Node()
    node.source.add_definition("default", "sriov", json.dumps(CONFIG), resource=RESOURCE)
    node.foreign.add("sriov", json.dumps({"cniVersion": "1.0.0"}).encode())
    node.devices.give("default", "p", **{RESOURCE: tuple(ids)})

    node.add(pod_of(node, ",".join(["sriov"] * count)))

    given_out = [node.foreign.stdin(place).get("deviceID") for place in range(count)]
    assert given_out == [*ids[:count], *[None] * (count - len(ids))]
