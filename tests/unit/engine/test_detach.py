"""DEL: from the journal alone, for whatever is left, and only for what is ours."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from polypod.engine import detach
from polypod.engine.doors import Caller
from polypod.errors import ForeignError, PluginError
from polypod.plan import ops
from polypod.plan.facts import Link
from polypod.plan.foreign import ForeignCall
from polypod.plan.record import Record
from polypod.testing.node import Node, Sandbox

ALL = "tuned,br,fixed,other"


def added(node: Node, networks: str = ALL, name: str = "p") -> Sandbox:
    pod = node.add_pod("default", name, networks=networks)
    node.add(pod)
    return pod


def is_empty(node: Node, pod: Sandbox) -> bool:
    """Tell whether nothing of a pod is left but what is shared."""
    there = node.world.sandboxes.get(pod.netns)
    return (
        node.journal.all() == ()
        and node.pools.held() == {}
        and node.world.rules == set()
        and node.status.texts == {}
        and node.backups.contents == {}
        and sorted(node.world.host.links) == ["br0", "up0"]
        and (there is None or list(there.links) == ["lo"])
    )


def test_everything_goes_and_what_is_shared_stays(node: Node) -> None:
    pod = added(node)

    node.delete(pod)

    assert is_empty(node, pod)
    assert node.foreign.told("DEL") == ["vendor"]


class _Killed(BaseException):
    """Stands for `kill -9`: nothing of ours handles it."""


def test_a_kill_after_the_last_record_went_leaves_no_status(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = added(node)
    remove = node.journal.remove

    def remove_and_die(*records: Record) -> None:
        remove(*records)
        if not node.journal.all():
            raise _Killed

    monkeypatch.setattr(node.journal, "remove", remove_and_die)
    with pytest.raises(_Killed):
        node.delete(pod)

    monkeypatch.undo()
    node.delete(pod)
    assert is_empty(node, pod)


def test_the_journal_alone_is_needed(node: Node) -> None:
    pod = added(node)
    node.source.pods.clear()
    node.source.definitions.clear()
    node.trace.stops.clear()

    node.delete(pod)

    assert is_empty(node, pod)
    assert not [stop for stop in node.trace.stops if stop.startswith("source.")]


def test_a_container_that_nobody_knows_is_success(node: Node) -> None:
    node.delete(node.sandbox("never-seen"))
    node.delete(Sandbox(container_id="gone", netns=""))

    assert node.foreign.calls == []


def test_a_second_delete_is_success(node: Node) -> None:
    pod = added(node)

    node.delete(pod)
    node.delete(pod)

    assert is_empty(node, pod)
    assert node.foreign.told("DEL") == ["vendor"]


@pytest.mark.parametrize("netns", ["", "/run/netns/p"], ids=["no-path", "stale-path"])
def test_a_sandbox_that_is_gone_leaves_its_leases_to_free(node: Node, netns: str) -> None:
    pod = added(node)
    node.world.destroy(pod.netns)

    node.delete(replace(pod, netns=netns))

    assert is_empty(node, pod)
    assert [call.netns for call in node.foreign.calls if call.command == "DEL"] != []


def test_links_of_one_sandbox_go_as_a_group(node: Node) -> None:
    pod = added(node, "mv,br,fixed")
    node.trace.stops.clear()

    node.delete(pod)

    assert "kernel.delete_links net3,net2,net1" in node.trace.stops


def test_a_link_that_somebody_else_made_is_left_alone(node: Node) -> None:
    pod = added(node, "mv")
    space = node.world.sandboxes[pod.netns]
    node.world.remove(space, "net1")
    node.world.add(space, Link(name="net1", index=999, kind="dummy"))

    node.delete(pod)

    assert space.links["net1"].index == 999
    assert node.pools.held() == {}


def test_another_sandbox_at_the_same_path_is_left_alone(node: Node) -> None:
    pod = added(node, "mv,br")
    node.world.destroy(pod.netns)
    other = node.world.sandbox(pod.netns)
    node.world.add(other, Link(name="net1", index=77, kind="macvlan"))
    other.ours.add("net1")

    node.delete(pod)

    assert list(other.links) == ["lo", "net1"]
    assert node.journal.all() == ()
    assert node.pools.held() == {}
    assert node.world.rules == set()


def test_after_a_reboot_only_what_is_on_disk_is_taken_back(node: Node) -> None:
    pod = added(node, "mv,br,other")
    node.reboot("boot-2")
    node.world.parent("up0")
    stranger = node.world.sandbox(pod.netns)  # the path is somebody else's by now
    node.world.add(stranger, Link(name="net1", index=3, kind="macvlan"))
    stranger.ours.add("net1")

    node.delete(replace(pod, netns=""))

    assert node.journal.all() == ()
    assert node.pools.held() == {}
    assert "net1" in stranger.links
    deleted = [call for call in node.foreign.calls if call.command == "DEL"]
    assert [(call.type, call.netns) for call in deleted] == [("vendor", "")]


def test_what_cannot_be_removed_is_told_and_kept(node: Node) -> None:
    pod = added(node, "mv,br")
    node.kernel.refuse_undo[ops.AddMasquerade] = PluginError("nft is not there")

    with pytest.raises(PluginError, match="nft is not there"):
        node.delete(pod)
    kept = [record.ifname for record in node.journal.all()]
    node.kernel.refuse_undo.clear()
    node.delete(pod)

    assert kept == ["net2"]
    assert is_empty(node, pod)


def test_every_failure_is_told(node: Node) -> None:
    def script(call: ForeignCall) -> bytes:
        if call.command == "DEL":
            raise ForeignError(f"{call.ifname} is busy")
        return b"{}"

    node.foreign.add("vendor", script)
    pod = added(node, "other,other,mv")

    with pytest.raises(ForeignError, match="net2 is busy") as raised:
        node.delete(pod)

    assert raised.value.__notes__ == ["net1 is busy"]
    assert [record.ifname for record in node.journal.all()] == ["net1", "net2"]


def test_a_full_disk_does_not_stop_a_delete(node: Node) -> None:
    pod = added(node)
    node.journal.full = True

    node.delete(pod)

    assert is_empty(node, pod)


def test_a_foreign_plugin_is_shown_the_result_it_once_had(node: Node) -> None:
    config = {"cniVersion": "0.4.0", "plugins": [{"type": "vendor"}, {"type": "vendor"}]}
    old = {"cniVersion": "0.3.1", "plugins": [{"type": "vendor"}, {"type": "vendor"}]}
    node.source.add_definition("default", "list", json.dumps(config))
    node.source.add_definition("default", "old", json.dumps(old))
    answer = {"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.9.0.2/24"}]}
    node.foreign.add("vendor", json.dumps(answer).encode())
    pod = added(node, "list,old")
    node.foreign.calls.clear()

    node.delete(pod)

    shown = [node.foreign.stdin(place).get("prevResult") for place in range(4)]
    result = {"cniVersion": "0.4.0", "ips": answer["ips"], "dns": {}}
    assert shown == [None, None, result, result]


def test_a_descriptor_wins_over_the_recorded_path(node: Node) -> None:
    pod = added(node, "mv")
    node.world.descriptors[7] = node.world.sandboxes.pop(pod.netns)
    space = node.world.descriptors[7]

    detach.detach(replace(pod, netns="").request("DEL"), Caller(sandbox=7), node.doors())

    assert list(space.links) == ["lo"]
    assert node.journal.all() == ()


def test_tuned_settings_come_back_before_the_link_goes(node: Node) -> None:
    primary = {
        "cniVersion": "1.0.0",
        "name": "cbr0",
        "plugins": [
            {"type": "vendor"},
            {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.all.rp_filter": "2"}},
        ],
    }
    node.networks.raw = json.dumps(primary).encode()
    result = {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0", "sandbox": "/run/netns/p"}]}
    node.foreign.add("vendor", json.dumps(result).encode())
    pod = node.add_pod("default", "p")
    space = node.world.sandboxes[pod.netns]
    space.sysctls["net/ipv4/conf/all/rp_filter"] = "1"

    def script(call: ForeignCall) -> bytes:
        if call.command == "ADD":
            node.world.add(space, Link(name="eth0", index=50, mtu=1500))
            return json.dumps(result).encode()
        assert space.links["eth0"].mtu == 1500
        return b""

    node.foreign.add("vendor", script)
    node.add(pod)
    assert space.links["eth0"].mtu == 1400
    assert space.sysctls["net/ipv4/conf/all/rp_filter"] == "2"

    node.delete(pod)

    assert space.sysctls["net/ipv4/conf/all/rp_filter"] == "1"
    assert node.backups.contents == {}
    assert node.foreign.told("DEL") == ["vendor"]


def test_a_foreign_plugin_is_not_sent_into_a_sandbox_that_is_gone(node: Node) -> None:
    node.foreign.add("vendor", json.dumps({"cniVersion": "1.0.0"}).encode())
    network = {"cniVersion": "1.0.0", "name": "outside", "type": "vendor"}
    node.source.add_definition("default", "outside", json.dumps(network))
    pod = node.add_pod("default", "p", networks="outside")
    node.add(pod)
    node.world.destroy(pod.netns)

    node.delete(pod)

    assert [(call.command, call.netns) for call in node.foreign.calls] == [
        ("ADD", pod.netns),
        ("DEL", ""),
    ]
