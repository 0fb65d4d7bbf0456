"""Worlds: what an ADD did a DEL undoes, whatever the networks and whatever goes wrong."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from polypod.errors import PluginError, PolypodError
from polypod.plan import ops
from polypod.testing.node import Node, Sandbox

POOL = {"type": "host-local", "subnet": "10.1.0.0/24"}
NETWORKS: dict[str, dict[str, Any]] = {
    "mv": {"type": "macvlan", "master": "up0", "ipam": POOL},
    "iv": {"type": "ipvlan", "master": "up0", "mode": "l3", "ipam": POOL},
    "l2": {"type": "macvlan", "master": "up0"},
    "br": {"type": "bridge", "bridge": "br0", "isGateway": True, "ipMasq": True, "ipam": POOL},
    "spoof": {"type": "bridge", "bridge": "br0", "macspoofchk": True, "ipam": POOL},
    "tuned": {
        "plugins": [
            {"type": "macvlan", "master": "up0", "ipam": POOL},
            {
                "type": "tuning",
                "mtu": 1400,
                "promisc": True,
                "sysctl": {"net.ipv4.ip_forward": "1"},
            },
        ]
    },
    "other": {"type": "vendor"},
    "broken": {"type": "macvlan", "master": "none", "ipam": POOL},
}
SOUND = sorted(set(NETWORKS) - {"broken"})
PRIVATE = [
    ops.AddVeth, ops.AddMacvlan, ops.AddIpvlan, ops.Configure, ops.AddMasquerade, ops.AddSpoofCheck,
    ops.SetLink, ops.WriteSysctl, ops.WaitOperUp, ops.AddGateway,
]  # fmt: skip


def a_node() -> Node:
    node = Node()
    node.world.parent("up0")
    for name, config in NETWORKS.items():
        whole = {"cniVersion": "1.0.0", "name": "shared-pool", **config}
        node.source.add_definition("default", name, json.dumps(whole))
    node.foreign.add("vendor", b'{"cniVersion": "1.0.0"}')
    # What is shared is there already: it stays, and does not count.
    keeper = node.add_pod("default", "keeper", networks="br,spoof")
    node.add(keeper)
    node.delete(keeper)
    return node


def state(node: Node) -> object:
    return (
        node.world.seen(),
        node.pools.held(),
        node.journal.all(),
        dict(node.status.texts),
        dict(node.backups.contents),
    )


def pod_of(node: Node, name: str, networks: list[str]) -> Sandbox:
    return node.add_pod("default", name, networks=",".join(networks))


chosen = st.lists(st.sampled_from(SOUND), min_size=1, max_size=5)


@given(chosen)
def test_a_delete_undoes_an_add(networks: list[str]) -> None:
    node = a_node()
    pod = pod_of(node, "p", networks)
    before = state(node)

    node.add(pod)
    node.check(pod)
    node.delete(pod)

    assert state(node) == before
    assert node.foreign.told("DEL") == ["vendor"] * networks.count("other")


@given(chosen, st.sampled_from(PRIVATE))
def test_an_add_that_fails_undoes_itself(networks: list[str], op: type[ops.KernelOp]) -> None:
    node = a_node()
    pod = pod_of(node, "p", networks)
    before = state(node)
    node.kernel.refuse[op] = PluginError("no")

    try:
        node.add(pod)
    except PolypodError:
        assert state(node) == before
    else:
        node.delete(pod)
        assert state(node) == before


@given(st.lists(st.sampled_from(sorted(NETWORKS)), min_size=1, max_size=5))
def test_a_network_that_cannot_be_made_takes_the_others_back(networks: list[str]) -> None:
    node = a_node()
    pod = pod_of(node, "p", networks)
    before = state(node)

    try:
        node.add(pod)
    except PolypodError:
        assert "broken" in networks
        assert state(node) == before
    else:
        assert "broken" not in networks


steps = st.lists(
    st.tuples(st.sampled_from(["add", "delete"]), st.integers(0, 3), chosen), max_size=12
)


@given(steps)
def test_two_leases_never_overlap(taken: list[tuple[str, int, list[str]]]) -> None:
    node = a_node()
    pods: dict[int, Sandbox] = {}
    for verb, number, networks in taken:
        if verb == "add" and number not in pods:
            pods[number] = pod_of(node, f"p{number}", networks)
            node.add(pods[number])
        elif verb == "delete" and number in pods:
            node.delete(pods.pop(number))
        leased = [
            ip["address"]
            for record in node.journal.all()
            for ip in json.loads(record.result).get("ips", ())
        ]
        assert len(set(leased)) == len(leased)
        assert sorted(address.partition("/")[0] for address in leased) == sorted(node.pools.held())

    for pod in pods.values():
        node.delete(pod)
    assert node.pools.held() == {}
    assert node.journal.all() == ()


class Crash(BaseException):
    """Nobody can do anything about it, as with kill -9."""


def dying(node: Node, crash_at: int) -> None:
    """Let the daemon die at its n-th call of a door: no later call does anything either."""
    calls = 0

    def dies(stop: str) -> None:
        nonlocal calls
        del stop
        calls += 1
        if calls >= crash_at:
            raise Crash

    node.trace.watch = dies


@given(steps, st.integers(1, 120))
def test_a_crash_leaves_every_pod_complete_or_absent(
    taken: list[tuple[str, int, list[str]]], crash_at: int
) -> None:
    """The daemon dies anywhere; its next life recovers, and the runtime repeats a DEL."""
    node = a_node()
    known: set[str] = set()
    interrupted: Sandbox | None = None
    dying(node, crash_at)
    try:
        for verb, number, networks in taken:
            pod = pod_of(node, f"p{number}", networks)
            if verb == "delete":
                interrupted = pod
                node.delete(pod)
                known.discard(pod.container_id)
            elif pod.container_id not in known:
                node.add(pod)
                known.add(pod.container_id)
            interrupted = None
    except Crash:
        pass
    node.trace.watch = None
    node.recover()
    if interrupted is not None:
        node.delete(interrupted)

    for path, space in node.world.sandboxes.items():
        records = node.journal.of_container(path.rpartition("/")[2])
        made = {record.ifname for record in records if record.display_name != "default/other"}
        assert set(space.links) - {"lo"} == made
        assert all(record.result for record in records)
    leased = {
        ip["address"].partition("/")[0]
        for record in node.journal.all()
        for ip in json.loads(record.result).get("ips", ())
    }
    assert set(node.pools.held()) == leased
