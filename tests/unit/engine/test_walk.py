"""The walk of one ADD, stop by stop, as docs/design.md tells it: the order of the doors' calls.

WALK is that table as far as doors see it; pure stops between them leave no trace. A test of the
docs compares the two.
"""

from __future__ import annotations

from pathlib import Path

from polypod.testing.node import Node

DESIGN = Path(__file__).parents[3] / "docs" / "design.md"
WALK: tuple[tuple[int, str, str], ...] = (
    (4, "journal.of_container", "engine/attach.py"),
    (5, "source.pod", "kube/manifests.py"),
    (5, "source.definition", "kube/manifests.py"),
    (7, "kernel.look", "kernel/read.py"),
    (8, "pool.reserve", "store/leases.py"),
    (10, "journal.put", "store/journal.py"),
    (11, "kernel.apply", "kernel/apply.py"),
    (12, "status.write", "kube/"),
)
"""(stop, what a fake writes down there, the file it stands for)."""


def walked(node: Node, networks: str) -> list[str]:
    pod = node.add_pod("default", "p", networks=networks)
    node.trace.stops.clear()
    node.add(pod)
    return node.trace.stops


def first(stops: list[str], name: str) -> int:
    return next(place for place, stop in enumerate(stops) if stop.startswith(name))


def last(stops: list[str], name: str) -> int:
    return max(place for place, stop in enumerate(stops) if stop.startswith(name))


def test_the_stops_come_in_the_order_of_the_walk(node: Node) -> None:
    stops = walked(node, "mv")

    # What the plan needs comes before the journal, and nothing is done before it is written.
    before_the_plan = [name for stop, name, _ in WALK if stop < 8]
    places = [first(stops, name) for name in before_the_plan]
    assert places == sorted(places)
    assert places[-1] < first(stops, "kernel.apply")
    acts = [first(stops, name) for _, name, _ in WALK if name in {"kernel.apply", "status.write"}]
    assert acts == sorted(acts)
    assert acts[-1] == len(stops) - 1


def test_everything_is_resolved_before_the_kernel_is_asked(node: Node) -> None:
    stops = walked(node, "mv,br,other")

    assert last(stops, "source.") < first(stops, "kernel.enter")


def test_a_lease_is_journaled_before_it_is_taken(node: Node) -> None:
    stops = walked(node, "mv")

    assert first(stops, "journal.put") < first(stops, "pool.reserve")
    assert last(stops, "pool.reserve") < first(stops, "kernel.apply")


def test_the_plan_is_journaled_before_its_first_op(node: Node) -> None:
    stops = walked(node, "mv")
    plan = max(p for p, s in enumerate(stops) if s == "journal.put net1 steps=2")

    assert [s for s in stops if s == "journal.put net1 steps=2"]
    assert first(stops, "journal.put net1 steps=2") < first(stops, "kernel.apply")
    assert last(stops, "kernel.apply") < plan


def test_a_foreign_plugin_is_journaled_before_it_runs(node: Node) -> None:
    stops = walked(node, "other")

    assert first(stops, "journal.put net1 steps=1") < first(stops, "foreign.run ADD vendor")


def test_the_result_is_journaled_before_the_status_is_published(node: Node) -> None:
    stops = walked(node, "mv,br")

    assert last(stops, "journal.put") < first(stops, "status.write")
    assert all(record.result for record in node.journal.all())


def test_the_walk_of_a_delete_is_the_journal_backwards(node: Node) -> None:
    pod = node.add_pod("default", "p", networks="mv,br")
    node.add(pod)
    node.trace.stops.clear()

    node.delete(pod)

    stops = node.trace.stops
    assert stops[0] == "journal.of_container"
    assert not [stop for stop in stops if stop.startswith(("source.", "networks."))]
    order = ["status.remove", "kernel.enter", "kernel.delete_links", "pool.release"]
    places = [first(stops, name) for name in (*order, "journal.remove")]
    assert places == sorted(places)
    assert stops[-1].startswith("journal.remove")


def test_the_page_of_the_design_has_the_same_stops() -> None:
    rows = {
        int(cells[1]): cells[2]
        for line in DESIGN.read_text(encoding="utf-8").splitlines()
        if (cells := [cell.strip() for cell in line.split("|")]) and len(cells) == 7
        if cells[1].isdigit()
    }

    assert sorted(rows) == list(range(1, 13))
    for stop, name, file in WALK:
        if name != "status.write":
            assert file in rows[stop], f"stop {stop}"
