"""The daemon's resident memory: idle, in a burst, and over very many calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench import pod, programs
from bench.node import Node
from bench.report import Figure

WARM_UP = 500
BURST = 128
CYCLES = 10_000
GROWTH_MIB = 2.0
AT_ONCE = 16


def measure(folder: Path, paths: Sequence[str], *, cycles: int) -> list[Figure]:
    """Return the three figures; with fewer cycles the bound on growth shrinks with them."""
    node = Node(folder, pod.networks("pp", folder), len(paths))
    try:
        idle = node.resident_mib()
        node.forget_peak()
        for command in ("ADD", "DEL"):
            programs.drive(node.jobs(command, paths, "burst"), concurrency=BURST)
        peak = node.peak_mib()
    finally:
        node.stop()
    bound = GROWTH_MIB * cycles / CYCLES
    return [
        Figure(name="resident, idle", ours=idle, unit="MiB", at_most=40),
        Figure(name=f"resident, {BURST} calls at once", ours=peak, unit="MiB", at_most=64),
        Figure(
            name=f"growth over {cycles} ADD and DEL",
            ours=_growth(folder.with_name("growth"), paths, cycles),
            unit="MiB",
            at_most=bound,
        ),
    ]


def _growth(folder: Path, paths: Sequence[str], cycles: int) -> float:
    few = paths[:AT_ONCE]
    node = Node(folder, pod.networks("one", folder)[:1], len(few))
    try:
        _cycle(node, few, WARM_UP, "warm")
        before = node.resident_mib()
        _cycle(node, few, cycles, "grow")
        return max(0.0, node.resident_mib() - before)
    finally:
        node.stop()


def _cycle(node: Node, paths: Sequence[str], count: int, label: str) -> None:
    jobs = [job for command in ("ADD", "DEL") for job in node.jobs(command, paths, label)]
    programs.drive(jobs, concurrency=len(paths), repeat=max(1, count // len(paths)))
