"""Rules of many attachments side by side, and hosts where nftables is not what it should be."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.kernel.world import World

from polypod.errors import UnsupportedError
from polypod.plan import ops
from polypod.plan.ops import KernelOp

THREADS = 16


def masquerade(container_id: str, ifname: str = "net1") -> ops.AddMasquerade:
    return ops.AddMasquerade(
        network="blue", container_id=container_id, ifname=ifname, addresses=("10.1.2.3/24",)
    )


def spoof_check(container_id: str, ifname: str = "net1") -> ops.AddSpoofCheck:
    return ops.AddSpoofCheck(
        port=f"veth{container_id}",
        container_id=container_id,
        ifname=ifname,
        mac="02:00:00:00:00:01",
    )


def apply(world: World, *wanted: KernelOp) -> None:
    with world.enter() as namespaces:
        for op in wanted:
            namespaces.apply(op)


def undo(world: World, *wanted: KernelOp) -> None:
    with world.enter() as namespaces:
        for op in wanted:
            namespaces.undo(op, None)


def comments(world: World) -> list[str]:
    return sorted(
        entry["rule"]["comment"] for entry in world.rules() if "comment" in entry.get("rule", {})
    )


def at_once(act: object, world: World, wanted: Sequence[KernelOp]) -> None:
    assert callable(act)
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(act, world, op) for op in wanted]:
            done.result()


@pytest.mark.needs("nft-inet")
def test_many_at_once_each_have_their_own_rules_and_leave_the_frame(world: World) -> None:
    first = (masquerade("first"), spoof_check("first"))
    apply(world, *first)
    undo(world, *first)
    frame = world.rules()
    wanted = [make(str(number)) for number in range(THREADS) for make in (masquerade, spoof_check)]

    at_once(apply, world, wanted)
    made = comments(world)
    at_once(undo, world, wanted)

    assert len(made) == THREADS * 5  # a masquerade has one rule, a spoof check has four
    assert sorted(map(str, world.rules())) == sorted(map(str, frame))


def test_a_spoof_check_of_net1_is_not_that_of_net10(world: World) -> None:
    apply(world, spoof_check("c1", "net1"), spoof_check("c1", "net10"))

    undo(world, spoof_check("c1", "net1"))

    assert set(comments(world)) == {"macspoofchk-c1-net10"}


@pytest.mark.needs("nft-inet")
def test_addresses_that_changed_replace_the_rules(world: World) -> None:
    apply(world, masquerade("c1"))

    apply(
        world,
        ops.AddMasquerade(
            network="blue",
            container_id="c1",
            ifname="net1",
            addresses=("10.9.0.1/16", "fd00::1/64"),
        ),
    )

    rules = [entry["rule"] for entry in world.rules() if entry.get("rule", {}).get("comment")]
    sources = [rule["expr"][0]["match"]["right"] for rule in rules]
    assert sources == ["10.9.0.1", "fd00::1"]


@pytest.mark.needs("nft-inet")
def test_long_names_fit_into_a_comment(world: World) -> None:
    op = ops.AddMasquerade(
        network="n" * 253, container_id="c" * 64, ifname="net1", addresses=("10.1.2.3/24",)
    )

    apply(world, op)
    made = comments(world)
    undo(world, op)

    assert len(made) == 1 and len(made[0].encode()) <= 128
    assert comments(world) == []


@pytest.mark.parametrize("op", [masquerade("c1"), spoof_check("c1")], ids=["masquerade", "spoof"])
def test_without_nft_an_add_is_refused_with_a_hint(
    op: KernelOp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    with pytest.raises(UnsupportedError, match='exec: "nft": executable file not found') as refused:
        apply(world, op)

    assert "install nftables" in refused.value.hint
    assert refused.value.code == 999


@pytest.mark.parametrize(
    "op",
    [
        ops.RemoveMasquerade(network="blue", container_id="c1", ifname="net1"),
        ops.RemoveSpoofCheck(container_id="c1", ifname="net1"),
    ],
    ids=["masquerade", "spoof check"],
)
def test_without_nft_there_is_nothing_to_remove(
    op: KernelOp, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")

    apply(world, op)

    monkeypatch.undo()
    assert comments(world) == []
