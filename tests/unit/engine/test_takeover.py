"""Pods that Multus attached before the switch are taken back from what Multus itself wrote."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.engine.kept import PRIMARY, RESULT, SECOND, delegate, delete, folders, of_file

from polypod.errors import ForeignError
from polypod.plan.facts import Link
from polypod.plan.foreign import ForeignCall
from polypod.testing.node import Node, Sandbox


@pytest.fixture
def pod() -> tuple[Node, Sandbox]:
    node = Node()
    return node, node.add_pod("default", "p", networks="second")


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return folders(tmp_path)


def write(files: Path, pod: Sandbox, *entries: dict[str, Any]) -> Path:
    path = files / "multus" / pod.container_id
    path.write_text(json.dumps(entries))
    return path


def test_delegates_are_deleted_in_reverse_order_with_their_interfaces(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    for type_ in ("flannel", "portmap", "vendor"):
        node.foreign.add(type_)
    third = {"cniVersion": "1.0.0", "name": "third", "type": "vendor"}
    path = write(
        files,
        sandbox,
        delegate(PRIMARY),
        delegate(third),
        delegate({**third, "name": "named"}, ifname="data0"),
    )

    delete(node, sandbox, files)

    asked = [(call.command, call.type, call.ifname) for call in node.foreign.calls]
    assert asked == [
        ("DEL", "vendor", "data0"),
        ("DEL", "vendor", "net1"),
        ("DEL", "portmap", "eth0"),
        ("DEL", "flannel", "eth0"),
    ]
    assert not path.exists()


def test_a_plugin_is_told_what_libcni_would_tell_it(pod: tuple[Node, Sandbox], files: Path) -> None:
    node, sandbox = pod
    for type_ in ("flannel", "portmap"):
        node.foreign.add(type_)
    write(files, sandbox, delegate(PRIMARY, mac="02:00:00:00:00:09", ips=["10.9.0.2"]))
    kept = files / "multus" / "results" / f"cbr0-{sandbox.container_id}-eth0"
    kept.write_text(json.dumps({"kind": "cniCacheV1", "result": RESULT, "ifName": "eth0"}))

    delete(node, sandbox, files)

    assert node.foreign.stdin(0) == {
        "type": "portmap",
        "capabilities": {"portMappings": True, "mac": True},
        "name": "cbr0",
        "cniVersion": "1.0.0",
        "prevResult": RESULT,
        "runtimeConfig": {"mac": "02:00:00:00:00:09"},
    }
    told = node.foreign.calls[0]
    assert (told.container_id, told.netns) == (sandbox.container_id, sandbox.netns)
    assert told.arguments.startswith("IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=p")
    assert not kept.exists()


def test_a_built_in_type_without_executable_is_ours_to_run(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    space = node.world.sandbox(sandbox.netns)
    node.world.add(space, Link(name="net1", index=9, kind="macvlan"))
    with node.pools.locked("", "second") as pool:
        pool.reserve("10.5.0.2", sandbox.container_id, "net1")
    node.foreign.add("flannel")
    node.foreign.add("portmap")
    path = write(files, sandbox, delegate(PRIMARY), delegate(SECOND))

    delete(node, sandbox, files)

    assert list(space.links) == ["lo"]
    assert node.pools.pools["", "second"] == {}
    assert not path.exists()


def test_a_built_in_type_with_an_executable_is_run_by_what_attached_it(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.foreign.add("macvlan")
    write(files, sandbox, delegate(SECOND))

    delete(node, sandbox, files)

    assert node.foreign.told("DEL") == ["macvlan"]
    assert "prevResult" not in node.foreign.stdin(0)


def test_where_the_sandbox_is_gone_the_built_in_goes_after_the_executable(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.foreign.add("macvlan")
    with node.pools.locked("", "second") as pool:
        pool.reserve("10.5.0.2", sandbox.container_id, "net0")
    write(files, sandbox, delegate(SECOND, ifname="net0"))
    node.world.destroy(sandbox.netns)

    delete(node, sandbox, files)

    assert node.foreign.told("DEL") == ["macvlan"]
    assert node.pools.pools["", "second"] == {}


def test_a_plugin_that_is_gone_does_not_keep_the_pod(
    pod: tuple[Node, Sandbox], files: Path, caplog: pytest.LogCaptureFixture
) -> None:
    node, sandbox = pod
    node.foreign.add("portmap")
    path = write(files, sandbox, delegate(PRIMARY))

    delete(node, sandbox, files)

    assert node.foreign.told("DEL") == ["portmap"]
    assert not path.exists()
    assert "takeover.skipped" in caplog.text


def test_a_plugin_that_fails_keeps_the_file_and_the_others_are_run(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod

    def fails(call: ForeignCall) -> bytes:
        raise ForeignError(f"{call.type} is busy", code=11)

    node.foreign.add("flannel")
    node.foreign.add("portmap", fails)
    path = write(files, sandbox, delegate(PRIMARY))

    with pytest.raises(ForeignError, match="portmap is busy"):
        delete(node, sandbox, files)

    assert node.foreign.told("DEL") == ["portmap", "flannel"]
    assert path.exists()


def test_a_list_without_version_has_the_one_of_the_call(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.foreign.add("vendor")
    write(files, sandbox, delegate({"name": "plain", "plugins": [{"type": "vendor"}]}))

    delete(node, sandbox, files)

    assert node.foreign.stdin(0)["cniVersion"] == "1.1.0"


def test_a_plugin_of_a_list_from_a_file_is_told_all_that_it_was_told_before(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    bridge = {"type": "vendor-bridge", "bridge": "cni0", "ipam": {"type": "vendor", "pool": "a"}}
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}}
    chained = {"type": "firewall", "backend": "nftables"}
    for type_ in ("vendor-bridge", "portmap", "firewall"):
        node.foreign.add(type_)
    primary = {"cniVersion": "1.0.0", "name": "primary", "plugins": [bridge, portmap]}
    path = write(files, sandbox, of_file(primary, chained))

    delete(node, sandbox, files)

    own = {"name": "primary", "cniVersion": "1.0.0"}
    told = [node.foreign.stdin(place) for place in range(3)]
    assert told == [chained | own, portmap | own, bridge | own]
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"{}",
        b"[1]",
        b'[{"Bytes": "not base64!"}]',
        b'[{"Bytes": "bm90IGpzb24="}]',
        b'[{"Name": "x"}]',
        b'[{"Bytes": "e30=", "CNINetworkConfigList": {"Plugins": [{"Bytes": "e30="}]}}]',
        b'[{"Bytes": "e30=", "CNINetworkConfigList": {"Plugins": [1], "Bytes": "e30="}}]',
    ],
)
def test_a_file_that_makes_no_sense_is_left_and_del_succeeds(
    pod: tuple[Node, Sandbox], files: Path, content: bytes
) -> None:
    node, sandbox = pod
    path = files / "multus" / sandbox.container_id
    path.write_bytes(content)

    delete(node, sandbox, files)

    assert path.read_bytes() == content
    assert node.foreign.calls == []


def test_a_delegate_that_is_a_meta_plugin_is_never_called(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.foreign.add("multus")
    write(files, sandbox, delegate({"cniVersion": "1.0.0", "name": "m", "type": "multus"}))

    delete(node, sandbox, files)

    assert node.foreign.calls == []


def test_a_pod_of_ours_is_taken_back_from_the_journal_alone(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.world.parent("eth1")
    node.source.add_definition("default", "second", json.dumps({**SECOND, "master": "eth1"}))
    node.foreign.add("macvlan")
    node.add(sandbox)
    path = write(files, sandbox, delegate(SECOND))

    delete(node, sandbox, files)

    assert path.exists()
    assert node.foreign.calls == []


def test_what_the_runtime_kept_of_the_answer_goes_too_and_nothing_else(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.foreign.add("vendor")
    write(files, sandbox, delegate({"name": "x", "type": "vendor"}))
    for name, type_ in (
        (f"multus-cni-network-{sandbox.container_id}-eth0", "multus-shim"),
        (f"cni-loopback-{sandbox.container_id}-lo", "loopback"),
        ("multus-cni-network-another-eth0", "multus-shim"),
    ):
        config = json.dumps({"cniVersion": "1.0.0", "name": "n", "type": type_})
        kept = {"kind": "cniCacheV1", "config": base64.b64encode(config.encode()).decode()}
        (files / "results" / name).write_text(json.dumps(kept))

    delete(node, sandbox, files)

    left = sorted(path.name for path in (files / "results").iterdir())
    assert left == [
        f"cni-loopback-{sandbox.container_id}-lo",
        "multus-cni-network-another-eth0",
    ]


def test_a_link_in_the_folder_is_not_followed(pod: tuple[Node, Sandbox], files: Path) -> None:
    node, sandbox = pod
    node.foreign.add("vendor")
    real = files / "elsewhere"
    real.write_text(json.dumps([delegate({"name": "x", "type": "vendor"})]))
    (files / "multus" / sandbox.container_id).symlink_to(real)

    delete(node, sandbox, files)

    assert node.foreign.calls == []


def test_the_file_that_told_of_a_device_is_shown_to_its_plugin_and_removed(
    pod: tuple[Node, Sandbox], files: Path
) -> None:
    node, sandbox = pod
    node.foreign.add("flannel")
    node.foreign.add("portmap")
    node.foreign.add("sriov")
    capable = {"deviceID": True, "CNIDeviceInfoFile": True}
    config = {"cniVersion": "1.0.0", "name": "sriov", "type": "sriov", "capabilities": capable}
    entry = {**delegate(config, device="0000:08:00.3"), "Name": "default/sriov"}
    name = f"default-sriov-{sandbox.container_id}_net1"
    node.device_files.attachments[name] = b"{}"
    write(files, sandbox, delegate(PRIMARY), entry)

    delete(node, sandbox, files)

    assert node.foreign.stdin(0)["runtimeConfig"] == {
        "deviceID": "0000:08:00.3",
        "CNIDeviceInfoFile": f"/var/run/k8s.cni.cncf.io/devinfo/cni/{name}",
    }
    assert node.device_files.attachments == {}
