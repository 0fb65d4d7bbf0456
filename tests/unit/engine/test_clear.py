"""What goes when a node loses its daemon for good, and what stays."""

from __future__ import annotations

import base64
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.unit.engine.kept import folders

from polypod.engine import clear
from polypod.engine.doors import Kernel, Namespaces
from polypod.errors import InvalidNetnsError
from polypod.plan.record import Record
from polypod.store.multus_cache import MultusCache
from polypod.testing.node import Node, Sandbox

LAN = {"cniVersion": "1.0.0", "name": "lan", "type": "macvlan", "master": "eth1"}


@pytest.fixture
def pods() -> tuple[Node, Sandbox, Sandbox]:
    node = Node()
    node.world.parent("eth1")
    node.source.add_definition("default", "lan", json.dumps(LAN))
    alive = node.add_pod("default", "alive", networks="lan,lan")
    gone = node.add_pod("default", "gone", networks="lan")
    for pod in (alive, gone):
        node.add(pod)
    return node, alive, gone


def of(sandbox: Sandbox, found: tuple[Record, ...]) -> list[str]:
    return sorted(r.ifname for r in found if r.container_id == sandbox.container_id)


def test_a_sandbox_that_lives_keeps_its_first_network(pods: tuple[Node, Sandbox, Sandbox]) -> None:
    node, alive, gone = pods

    decided = clear.plan(node.journal.all(), lambda r: r.container_id == gone.container_id)
    faults = clear.carry_out(decided, node.doors())

    assert faults == []
    assert [record.position for record in decided.staying] == [0] * len(decided.staying)
    assert of(gone, node.journal.all()) == []
    assert node.journal.all() == decided.staying
    assert "net1" not in node.world.sandbox(alive.netns).links


def test_what_the_runtime_kept_of_our_answer_goes_and_nothing_else(
    pods: tuple[Node, Sandbox, Sandbox], tmp_path: Path
) -> None:
    node, alive, gone = pods
    results = folders(tmp_path) / "results"
    for name, type_ in (("polypod", "polypod"), ("other", "vendor")):
        config = json.dumps({"cniVersion": "1.0.0", "name": name, "plugins": [{"type": type_}]})
        kept = {"config": base64.b64encode(config.encode()).decode(), "ifName": "eth0"}
        for sandbox in (alive, gone):
            path = results / f"{name}-{sandbox.container_id}-eth0"
            path.write_text(json.dumps(kept))
    decided = clear.plan(
        [r for r in node.journal.all() if r.container_id == gone.container_id], lambda _: True
    )

    clear.carry_out(decided, replace(node.doors(), cache=MultusCache(tmp_path, results)))

    assert sorted(path.name for path in results.iterdir()) == [
        "other-alive-eth0",
        "other-gone-eth0",
        "polypod-alive-eth0",
    ]


@dataclass
class Closed:
    """A kernel that refuses to enter one place."""

    real: Kernel
    place: str

    def enter(
        self, *, sandbox: int | str | None, host: int | None
    ) -> AbstractContextManager[Namespaces]:
        if sandbox == self.place:
            raise InvalidNetnsError("not a network namespace")
        return self.real.enter(sandbox=sandbox, host=host)


def test_what_cannot_be_taken_back_keeps_its_record_and_no_other(
    pods: tuple[Node, Sandbox, Sandbox],
) -> None:
    node, alive, gone = pods
    doors = node.doors()
    doors = replace(doors, kernel=Closed(doors.kernel, alive.netns))

    faults = clear.carry_out(clear.plan(node.journal.all(), lambda _: True), doors)

    assert [fault.cause for fault in faults] == ["not a network namespace"]
    assert of(gone, node.journal.all()) == []
    assert of(alive, node.journal.all()) != []
