"""Pods through the shim: pods a second, one pod alone, and one network, beside the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median

from bench import lab, pod, programs
from bench.node import Node
from bench.programs import Job
from bench.report import Figure

FLOOR_BRIDGES = ("flbr0", "flbr1")
Times = dict[str, list[float]]


def _times() -> Times:
    return {"ADD": [], "DEL": []}


@dataclass(slots=True)
class Runs:
    """Milliseconds of one party: walls of whole bursts, medians of pods alone, of one network."""

    burst: Times = field(default_factory=_times)
    alone: Times = field(default_factory=_times)
    single: Times = field(default_factory=_times)


def measure(
    folder: Path, paths: Sequence[str], plugins: Path | None, *, rounds: int, at_once: int
) -> list[Figure]:
    """Return the figures of all parties, who take turns."""
    floor, ours, theirs = Runs(), Runs(), Runs()
    leases = folder / "reference-leases"
    stdins = _stdins(folder / "stdin", pod.networks("ref", leases))
    single = _stdins(folder / "single", pod.networks("rone", leases)[:1])
    node = Node(folder / "node", pod.networks("pp", folder / "node"), len(paths))
    one = Node(folder / "one", pod.networks("one", folder / "one")[:1], len(paths))
    some = paths[: max(8, len(paths) // 4)]
    try:
        for number in range(rounds):
            _floor(floor, paths, some, at_once)
            label = f"r{number}"
            for command in ("ADD", "DEL"):
                jobs = node.jobs(command, paths, f"b{label}")
                ours.burst[command].append(programs.drive(jobs, concurrency=at_once).wall_ms)
            _alone(ours.alone, partial(_ours, node, some, f"a{label}"))
            _alone(ours.single, partial(_ours, one, some, f"s{label}"))
            if plugins is None:
                continue
            for command in ("ADD", "DEL"):
                jobs = pod.reference_jobs(command, plugins, stdins, paths, f"b{label}")
                theirs.burst[command].append(programs.drive(jobs, concurrency=at_once).wall_ms)
            _alone(theirs.single, partial(_theirs, plugins, single, some, f"s{label}"))
    finally:
        node.stop()
        one.stop()
    return _figures(floor, ours, theirs, len(paths), has_reference=plugins is not None)


def _ours(node: Node, paths: Sequence[str], label: str, command: str) -> list[Job]:
    return node.jobs(command, paths, label)


def _theirs(
    plugins: Path, stdins: Sequence[Path], paths: Sequence[str], label: str, command: str
) -> list[Job]:
    return pod.reference_jobs(command, plugins, stdins, paths, label)


def _stdins(folder: Path, networks: Sequence[dict[str, object]]) -> list[Path]:
    folder.mkdir(parents=True)
    found: list[Path] = []
    for network in networks:
        found.append(folder / f"{network['name']}.json")
        found[-1].write_text(json.dumps(network), encoding="utf-8")
    return found


def _floor(floor: Runs, paths: Sequence[str], some: Sequence[str], at_once: int) -> None:
    burst = programs.floor_pods(at_once, lab.PARENT, FLOOR_BRIDGES, paths)
    floor.burst["ADD"].append(burst.add_wall_ms)
    floor.burst["DEL"].append(burst.del_wall_ms)
    alone = programs.floor_pods(1, lab.PARENT, FLOOR_BRIDGES, some)
    floor.alone["ADD"].append(median(alone.add_ms))
    floor.alone["DEL"].append(median(alone.del_ms))


def _alone(times: Times, jobs_of: Callable[[str], list[Job]]) -> None:
    for command in ("ADD", "DEL"):
        times[command].append(median(programs.drive(jobs_of(command), concurrency=1).pod_ms))


def _figures(
    floor: Runs, ours: Runs, theirs: Runs, pods: int, *, has_reference: bool
) -> list[Figure]:
    def rate(runs: Runs, command: str) -> float:
        return 1000 * pods / median(runs.burst[command])

    figures: list[Figure] = []
    if has_reference:
        figures.append(
            Figure(
                name="shim to answer, one bridge network",
                ours=median(ours.single["ADD"]),
                unit="ms",
                other=median(theirs.single["ADD"]),
                other_name="the reference bridge, once",
                at_most=0.5,
            )
        )
    for command, goal in (("ADD", 8.0), ("DEL", 5.0)):
        if has_reference:
            figures.append(
                Figure(
                    name=f"{pods} pods of 4, {command}",
                    ours=rate(ours, command),
                    unit="pods/s",
                    other=rate(theirs, command),
                    other_name="the reference, one by one",
                    at_least=goal,
                )
            )
        figures.append(
            Figure(
                name="  beside the kernel's part alone",
                ours=rate(ours, command),
                unit="pods/s",
                other=rate(floor, command),
                other_name="the C program",
            )
        )
    for command, beside, most in (
        ("ADD", "the C program", 3.0),
        ("DEL", "one grace period in C", 1.5),
    ):
        figures.append(
            Figure(
                name=f"one such pod alone, {command}",
                ours=median(ours.alone[command]),
                unit="ms",
                other=median(floor.alone[command]),
                other_name=beside,
                at_most=most,
            )
        )
    return figures
