"""`./dev bench [--quick]`: everything that is measured, in one run, as ratios.

Absolute times depend on the machine and on who else uses it; parties take turns, so that ratios
hold. `--only NAME` runs one part. `./dev bench cluster` measures on a real cluster instead.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from bench import attach, lab, memory, pods, programs, report, startup
from bench.report import Figure

JSON = programs.BUILD.parent / "bench.json"
AT_ONCE = 16
PARTS = ("attach", "pods", "memory", "startup")


def main() -> int:
    """Measure, print the table, keep the JSON."""
    if sys.argv[1:2] == ["cluster"]:
        from bench import on_cluster

        return on_cluster.main(sys.argv[2:])
    options = argparse.ArgumentParser(prog="./dev bench")
    options.add_argument("--quick", action="store_true", help="fewer rounds, a minute in all")
    options.add_argument("--only", choices=PARTS, action="append", help="one part; repeatable")
    chosen = options.parse_args()
    notes = [f"Measured with Python {sys.version}."]
    try:
        plugins = programs.reference()
        if plugins is None:
            notes.append(
                "Go is not installed, so the comparison with the reference plugins is left out."
            )
        for name in ("drive", "floor"):
            programs.compiled(name)
        lab.enter()
        figures = _measure(set(chosen.only or PARTS), plugins, quick=chosen.quick)
    except programs.MeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.keep(figures, notes, JSON)
    for note in notes:
        print(note)
    print(report.table(figures))
    return 0


def _measure(parts: set[str], plugins: Path | None, *, quick: bool) -> list[Figure]:
    lab.build()
    lab.add_bridges(*pods.FLOOR_BRIDGES, attach.FLOOR_BRIDGE)
    rounds = 1 if quick else 3
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="polypod-bench-") as folder:
        place = Path(folder)
        paths = lab.add_namespaces(memory.BURST)
        if "attach" in parts:
            cycles = 40 if quick else 150
            figures += attach.measure(
                place / "attach", paths[0], cycles=cycles, rounds=1 if quick else 3
            )
        if "pods" in parts:
            some = paths[: 32 if quick else 64]
            figures += pods.measure(place / "pods", some, plugins, rounds=rounds, at_once=AT_ONCE)
        if "memory" in parts:
            cycles = 1000 if quick else memory.CYCLES
            figures += memory.measure(place / "memory", paths, cycles=cycles)
        if "startup" in parts:
            figures.append(startup.measure(times=10 if quick else 30))
    return figures


if __name__ == "__main__":
    raise SystemExit(main())
