"""`./dev bench cluster`: what is measured on a real one-node cluster, in one run.

It brings the cluster up and takes it down. `--only NAME` runs one part; the parts are independent.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable
from pathlib import Path

from cluster import life, processes
from cluster.place import Place, here
from tests.cluster import agent

from bench import node_load, pod_start, report, rights
from bench.programs import MeasureError
from bench.report import Figure

JSON = Path(__file__).resolve().parents[1] / "build" / "bench-cluster.json"
_INSIDE = "POLYPOD_BENCH_CLUSTER"
PARTS: dict[str, Callable[[Place, bool], Iterable[Figure]]] = {
    "start": pod_start.measure,
    "load": node_load.measure,  # the last on a cluster: it ends the controllers
    "rights": lambda _place, _quick: rights.measure(),
}


def main(words: list[str]) -> int:
    """Measure, print the table, keep the JSON; return the exit code."""
    options = argparse.ArgumentParser(prog="./dev bench cluster")
    options.add_argument("--quick", action="store_true", help="fewer pods, a minute in all")
    options.add_argument("--only", choices=PARTS, action="append", help="one part; repeatable")
    chosen = options.parse_args(words)
    place = here()
    if not os.environ.get(_INSIDE):
        return _inside(place, words, chosen.only or tuple(PARTS))
    figures: list[Figure] = []
    try:
        for name in chosen.only or PARTS:
            figures += PARTS[name](place, chosen.quick)
    except MeasureError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.keep(figures, (), JSON)
    print(report.table(figures))
    return 0


def _inside(place: Place, words: list[str], chosen: Collection[str]) -> int:
    """Have a cluster, and measure in its network namespace."""
    life.down(place)  # what an interrupted run left
    try:
        if "start" in chosen:
            agent.build_image()  # while there is a network
        life.up(place)
        again = processes.inside(place, [sys.executable, "-m", "bench", "cluster", *words])
        return subprocess.run(again, env={**os.environ, _INSIDE: "1"}, check=False).returncode
    finally:
        life.down(place)
