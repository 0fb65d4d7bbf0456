"""One bridge attach inside this process: the whole engine, beside the C program."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from bench import programs
from bench.report import Figure
from polypod.cni import request as cni_request
from polypod.daemon.app import Options, open_doors
from polypod.engine import attach, detach
from polypod.engine.doors import Caller, Doors

FLOOR_BRIDGE = "attfl0"
STDIN = b'{"cniVersion":"1.0.0","name":"polypod","type":"polypod"}'


def measure(folder: Path, netns: str, *, cycles: int, rounds: int) -> list[Figure]:
    """Return the figures of one attach: addresses by static, and by host-local."""
    fixed = _doors(folder / "static", "attbr0", {"type": "static", "addresses": [_ADDRESS]})
    pool = {"type": "host-local", "ranges": [[{"subnet": "10.98.0.0/16"}]]}
    pooled = _doors(folder / "host-local", "attbr1", pool)
    floors: list[float] = []
    ours: list[float] = []
    leased: list[float] = []
    for number in range(rounds):
        floors.append(programs.floor_attach(cycles, FLOOR_BRIDGE, netns)["add_ms"])
        ours.append(_median_ms(fixed, netns, cycles, f"f{number}"))
        leased.append(_median_ms(pooled, netns, cycles, f"p{number}"))
    floor = min(floors)
    return [
        Figure(
            name="one bridge attach in-process",
            ours=min(ours),
            unit="ms",
            other=floor,
            other_name="the C program",
            at_most=1.5,
        ),
        Figure(
            name="  the same with host-local",
            ours=min(leased),
            unit="ms",
            other=floor,
            other_name="the C program",
        ),
    ]


_ADDRESS = {"address": "10.99.0.2/16", "gateway": "10.99.0.1"}


def _doors(folder: Path, bridge: str, ipam: Mapping[str, object]) -> Doors:
    folder.mkdir(parents=True)
    network = {"cniVersion": "1.0.0", "name": "one", "type": "bridge", "bridge": bridge}
    primary = folder / "primary.conf"
    primary.write_text(json.dumps({**network, "isDefaultGateway": True, "ipam": ipam}))
    return open_doors(Options(state=folder / "state", primary=primary, data_root=folder, path=()))


def _median_ms(doors: Doors, netns: str, cycles: int, label: str) -> float:
    taken: list[float] = []
    sandbox = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        for number in range(-5, cycles):
            began = _cycle(doors, sandbox, netns, f"{label}-{number + 5}")
            if number >= 0:
                taken.append(began)
    finally:
        os.close(sandbox)
    return median(taken)


def _cycle(doors: Doors, sandbox: int, netns: str, container_id: str) -> float:
    environment = {
        "CNI_CONTAINERID": container_id,
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
