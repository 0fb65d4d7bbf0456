"""How long `polypod plugin TYPE` takes to say its versions, beside a bare interpreter."""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median

from bench import programs
from bench.programs import Job
from bench.report import Figure


def measure(*, times: int) -> Figure:
    """Return the figure."""
    polypod = str(Path(sys.executable).with_name("polypod"))
    environment = {"CNI_COMMAND": "VERSION", "PATH": "/usr/bin:/bin"}

    def taken(*words: str) -> float:
        jobs = [
            Job(pod=number, words=words, stdin="", environment=environment)
            for number in range(times)
        ]
        return median(programs.drive(jobs, concurrency=1).pod_ms)

    bare: list[float] = []
    ours: list[float] = []
    for _ in range(3):
        bare.append(taken(sys.executable, "-c", "pass"))
        ours.append(taken(polypod, "plugin", "bridge"))
    return Figure(
        name="polypod plugin bridge, VERSION",
        ours=median(ours),
        unit="ms",
        other=median(bare),
        other_name="python3 -c pass",
        at_most=4.0,
    )
