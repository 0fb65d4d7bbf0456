"""One bridge attach inside this process, beside the C program that does the kernel's part.

Twice: what the kernel room makes of the ops (the C program's own work), and the whole engine, from
the request's bytes to the answer's, with journal and addresses.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import median

from bench import programs
from bench.report import Figure
from polypod.cni import request as cni_request
from polypod.daemon.doors import open_doors
from polypod.daemon.options import Options
from polypod.engine import attach, detach, execute
from polypod.engine.doors import Caller, Doors
from polypod.plan import ops
from polypod.plan.facts import LinkQuery, Where
from polypod.plan.outcome import Done

FLOOR_BRIDGE, BRIDGE = "attfl0", "attbr0"
STDIN = b'{"cniVersion":"1.0.0","name":"polypod","type":"polypod"}'
ADDRESS, GATEWAY = "10.99.0.2/16", "10.99.0.1"


def measure(folder: Path, netns: str, *, cycles: int, rounds: int) -> list[Figure]:
    """Return the figures of one attach."""
    static = {"type": "static", "addresses": [{"address": ADDRESS, "gateway": GATEWAY}]}
    pool = {"type": "host-local", "ranges": [[{"subnet": "10.98.0.0/16"}]]}
    fixed = _doors(folder / "static", "attbr1", static)
    pooled = _doors(folder / "host-local", "attbr2", pool)
    sandbox = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    parties: dict[str, Callable[[str], float]] = {
        "ops": lambda label: _ops(fixed, sandbox, label),
        "static": lambda label: _engine(fixed, sandbox, netns, label),
        "host-local": lambda label: _engine(pooled, sandbox, netns, label),
    }
    taken: dict[str, list[float]] = {name: [] for name in ("floor", *parties)}
    try:
        for number in range(rounds):
            taken["floor"].append(programs.floor_attach(cycles, FLOOR_BRIDGE, netns)["add_ms"])
            for name, cycle in parties.items():
                found = [cycle(f"{number}-{n}") for n in range(cycles + 5)]
                taken[name].append(median(found[5:]))
    finally:
        os.close(sandbox)
    return _figures({name: min(values) for name, values in taken.items()})


def _figures(best: Mapping[str, float]) -> list[Figure]:
    names = {
        "ops": "one bridge attach in-process, the kernel room",
        "static": "  the whole engine, journal, static",
        "host-local": "  the whole engine, journal, host-local",
    }
    return [
        Figure(
            name=text,
            ours=best[name],
            unit="ms",
            other=best["floor"],
            other_name="the C program",
            at_most=1.5 if name == "ops" else None,
        )
        for name, text in names.items()
    ]


def _doors(folder: Path, bridge: str, ipam: Mapping[str, object]) -> Doors:
    folder.mkdir(parents=True)
    network = {"cniVersion": "1.0.0", "name": "one", "type": "bridge", "bridge": bridge}
    primary = folder / "primary.conf"
    primary.write_text(json.dumps({**network, "isDefaultGateway": True, "ipam": ipam}))
    return open_doors(Options(state=folder / "state", primary=primary, data_root=folder, path=()))


def _ops(doors: Doors, sandbox: int, label: str) -> float:
    """Carry out what a bridge network comes to, and say what it took in milliseconds."""
    route = ops.RouteSpec(dst="0.0.0.0/0", gw=GATEWAY)
    pair = ops.AddVeth(ifname="eth0", host_name=f"att{label}", master=BRIDGE)
    plan = (
        ops.AddBridge(name=BRIDGE),
        pair,
        ops.Configure(ifname="eth0", addresses=(ADDRESS,), routes=(route,)),
    )
    began = time.perf_counter()
    with doors.kernel.enter(sandbox=sandbox, host=None) as namespaces:
        namespaces.look((LinkQuery(Where.HOST, BRIDGE),))
        outcome = execute.together(plan, namespaces, doors)
    taken = (time.perf_counter() - began) * 1000
    made = outcome.effects[1]
    if not outcome.is_complete or not isinstance(made, Done):
        raise programs.MeasureError(f"the kernel room failed: {outcome.effects}")
    with doors.kernel.enter(sandbox=sandbox, host=None) as namespaces:
        namespaces.undo(pair, made.identity)
    return taken


def _engine(doors: Doors, sandbox: int, netns: str, label: str) -> float:
    """Run ADD and DEL, and say what ADD took in milliseconds."""
    environment = {
        "CNI_CONTAINERID": f"c{label}",
        "CNI_NETNS": netns,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/nonexistent",
        "CNI_COMMAND": "ADD",
    }
    caller = Caller(sandbox=sandbox)
    began = time.perf_counter()
    attach.attach(cni_request.parse(environment, STDIN), caller, doors)
    taken = (time.perf_counter() - began) * 1000
    environment["CNI_COMMAND"] = "DEL"
    detach.detach(cni_request.parse(environment, STDIN), caller, doors)
    return taken
