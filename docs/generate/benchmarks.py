"""docs/benchmarks.md: what is measured and what it means, with the figures of the last full run.

The figures are those of `./dev bench` and `./dev bench cluster`, copied to docs/figures.json and
docs/figures-cluster.json by `docs/build.py --figures`, so that the page can be built where nobody
measures.
"""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import NotRequired, TypedDict

from docs.generate.markdown import page, table

FIGURES = Path(__file__).resolve().parents[1] / "figures.json"
CLUSTER = FIGURES.with_name("figures-cluster.json")
ON_CLUSTER = """
## On a cluster

`./dev bench cluster` measures on the real one-node cluster of `./dev cluster` (it needs root, and
Go once), and keeps its figures in `build/bench-cluster.json`; `--only start|load|rights` runs one
part.

* *sandbox*: the kubelet's own time for a pod's sandbox (RunPodSandbox), pods one after the other:
  with two networks through the agent, and by a runtime handler whose CNI folder has nothing but
  the primary. *network set-up* is the part of it in which the runtime runs its CNI plugins; what is
  written to the API server meanwhile, on the same processors, shows in *everything else*.
* *what two networks add*: single sandboxes differ by more than that, so a hundred pairs of pods are
  started, in alternating order, while nobody asks the cluster anything. It is the median of the
  pairs' differences; beside it stands where that median lies with 95 % certainty.
* *from the API server per ADD*: counted in its audit log, over all pods of that part.
* *upgrade*: ADDs one after the other by the shim while the DaemonSet is rolled out; the longest
  less the median.
* *110 attached pods*: a daemon with the real API server and pods that are objects only, attached
  by the shim; measured once it has written what those ADDs left to be told.
* *killed*: from the start of the process, with all those pods, until its socket answers.
"""
LEAD = """
```text
./dev bench                 everything, some minutes
./dev bench --quick         what CI runs, about a minute
./dev bench --only memory   one part
```

`./dev bench` prints a table, keeps the figures in `build/bench.json`, and ends with the line
`N of M figures reach their goal`. A goal that is missed does not make it fail: the table is there
to be read. It needs root or user namespaces, since it measures in network namespaces of its own.
"""
PARTIES = """
## Who is compared

* **The C program** (`bench/floor.c`) leaves the same in the kernel, links and the sysctls that are
  found on them, in as few messages, and does nothing else: no address plugin, no journal, no
  daemon. No program can be faster than the kernel's part, so it is the floor.
* **The reference** is the CNI plugins 1.9.1, built from their Go module when Go is there, executed
  one after the other as a meta-plugin does, without the meta-plugin's own cost. Without Go the
  comparison is left out, and the output says so.
* **Polypod** is the real daemon, called through the real shim, unless the line says in-process.

Parties take turns in every round and the middle of the rounds is kept. **Read the ratios**: times
depend on the machine and on what else it does.

## What the lines mean

* *one bridge attach in-process*: engine, plugin and netlink for one bridge network, no socket.
* *shim to answer*: from the start of the shim to its end.
* *pods of 4*: a pod with four interfaces (two bridges and two macvlans, all with host-local
  addresses), many pods, sixteen at once, in pods a second. Deleting a link waits for a grace period
  of the kernel; many deletions wait together.
* *one such pod alone*: one after the other, so nothing overlaps.
* *resident*: memory of the daemon as the kernel counts it (VmRSS), idle, at the peak of 128 calls
  that come at once, and its growth over many cycles.
* *VERSION*: the start of a plugin executable, beside a Python that does nothing.
"""


class Kept(TypedDict):
    """One figure as bench/report.py keeps it."""

    name: str
    ours: float
    unit: str
    other: float | None
    other_name: str
    at_most: float | None
    at_least: float | None
    ratio: float
    reached: bool
    within: NotRequired[tuple[float, float] | None]


def take(measured: Path) -> None:
    """Keep the figures of a run, with what they were measured on."""
    kept = json.loads(measured.read_text(encoding="utf-8"))
    kept["machine"] = (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, {platform.machine()}, Linux"
        f" {'.'.join(platform.release().split('.')[:2])}"
    )
    target = CLUSTER if measured.stem == "bench-cluster" else FIGURES
    target.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")


def render() -> str:
    """Return the page."""
    return page(
        "Benchmarks",
        LEAD,
        PARTIES.strip() + "\n",
        *_last_run("## The last full run", FIGURES),
        ON_CLUSTER.strip() + "\n",
        *_last_run("### The last run on a cluster", CLUSTER),
    )


def _last_run(title: str, path: Path) -> list[str]:
    kept = json.loads(path.read_text(encoding="utf-8"))
    figures: list[Kept] = kept["figures"]
    goals = [one for one in figures if one["at_most"] is not None or one["at_least"] is not None]
    reached = sum(one["reached"] for one in goals)
    where = kept["machine"]
    return [
        f"{title}\n\n{where}. {reached} of {len(goals)} figures reach their goal.\n",
        table(
            ("", "Polypod", "Compared with", "Ratio", "Goal", ""), [_row(one) for one in figures]
        ),
        *(f"{note}\n" for note in kept["notes"]),
    ]


def _row(one: Kept) -> tuple[str, ...]:
    other = "" if one["other"] is None else f"{_shown(one['other'], one)}, {one['other_name']}"
    ratio = "" if one["other"] is None else f"{one['ratio']:.2f}"
    goal = _goal(one)
    reached = "" if not goal else "reached" if one["reached"] else "**missed**"
    return one["name"].strip(), _ours(one), other, ratio, goal, reached


def _shown(value: float, one: Kept) -> str:
    return f"{_number(value)} {one['unit']}"


def _ours(one: Kept) -> str:
    within = one.get("within")
    if within is None:
        return _shown(one["ours"], one)
    low, high = map(_number, within)
    return f"{_shown(one['ours'], one)} ({low} to {high})"


def _number(value: float) -> str:
    return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def _goal(one: Kept) -> str:
    unit = "times" if one["other"] is not None else one["unit"]
    if one["at_most"] is not None:
        return f"at most {one['at_most']:g} {unit}"
    return "" if one["at_least"] is None else f"at least {one['at_least']:g} {unit}"
