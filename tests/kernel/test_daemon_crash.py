"""`kill -9` of the daemon at any point: a restart leaves every container complete or absent."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.kernel.live import NETNS, PRIMARY, Live

ROOT = Path(__file__).parents[2]
PODS = 100
SEED = 20260801
NOOP = 'if test "$CNI_COMMAND" = ADD; then sed "s/.*\\"prevResult\\"://; s/,\\"type\\".*//"; fi'
CHAINED: dict[str, Any] = {**PRIMARY, "plugins": [*PRIMARY["plugins"], {"type": "noop"}]}
TUNED: dict[str, Any] = {
    **PRIMARY,
    "plugins": [
        {**PRIMARY["plugins"][0], "isGateway": True},
        {"type": "tuning", "mtu": 1400, "sysctl": {"net.ipv4.conf.eth0.arp_notify": "1"}},
    ],
}


class Nursery:
    """Starts daemons that end at a chosen effect."""

    def __init__(self, live: Live) -> None:
        self._live = live
        options = live.command()[1 + len(live.program) :]
        self._log = live.log.open("ab")
        self._program = subprocess.Popen(
            [sys.executable, "-m", "tests.kernel.crashing", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=ROOT,
        )
        self._pid = 0

    def start(self, at: int) -> None:
        """Start a daemon and wait until it serves, or died before."""
        assert self._program.stdin is not None
        self._program.stdin.write(f"{at}\n")
        self._program.stdin.flush()
        self._pid = int(self._said())
        deadline = time.monotonic() + 20
        while f"pid={self._pid}\n" not in self._live.logged() and not self._has_ended():
            assert time.monotonic() < deadline, self._live.logged()
            time.sleep(0.002)

    def end(self) -> bool:
        """End the daemon; tell whether its fuse had killed it already."""
        if not self._has_ended():
            subprocess.run(["kill", "-TERM", str(self._pid)], check=False)
        status = int(self._said())
        assert status in {0, int(signal.SIGKILL)}, self._live.logged()
        return status != 0

    def close(self) -> None:
        self._program.communicate()
        self._log.close()

    def _said(self) -> str:
        assert self._program.stdout is not None
        return self._program.stdout.readline()

    def _has_ended(self) -> bool:
        try:
            stat = Path(f"/proc/{self._pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return True
        return stat.rpartition(")")[2].split()[0] == "Z"


@pytest.fixture(params=[PRIMARY, TUNED, CHAINED], ids=["bridge", "tuned", "foreign"])
def live(request: pytest.FixtureRequest) -> Iterator[Live]:
    node = Live(request.param)
    node.plugin("noop", NOOP)
    yield node
    node.close()


def is_complete(live: Live, container: str) -> bool:
    return (
        live.records().get(container, 0) == 1
        and container in live.leases().values()
        and live.links_of(container) == {"eth0"}
    )


def is_absent(live: Live, container: str) -> bool:
    return (
        container not in live.records()
        and container not in live.leases().values()
        and not live.links_of(container)
    )


def wait_settled(live: Live, container: str) -> bool:
    """Wait until a container is complete or absent: what needs a plugin is undone while serving."""
    deadline = time.monotonic() + 10
    while not (is_complete(live, container) or is_absent(live, container)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_death_at_every_effect_of_add_and_del_is_recovered(live: Live) -> None:
    nursery = Nursery(live)
    live.sandbox("crash")
    points = 0
    try:
        while True:
            nursery.start(points + 1)
            for verb in ("ADD", "DEL"):
                live.call(verb, "crash", POLYPOD_WAIT_MS="0")
            died = nursery.end()
            nursery.start(0)
            settled = wait_settled(live, "crash")
            again = [live.call(verb, "crash").code for verb in ("DEL", "ADD", "CHECK", "DEL")]
            assert not nursery.end()

            assert settled, f"half made after death at effect {points + 1}: {live.logged()}"
            assert again == [0, 0, 0, 0], f"after death at effect {points + 1}: {live.logged()}"
            assert is_absent(live, "crash") and not live.ports()
            if not died:
                break
            points += 1
    finally:
        nursery.close()
    assert points >= 8  # journal, lease, links, journal; and back


def test_a_hundred_adds_survive_five_kills() -> None:
    live = Live()
    dice = random.Random(SEED)
    try:
        names = [f"storm{number}" for number in range(PODS)]
        for name in names:
            live.sandbox(name)
        daemon = live.start()
        calls = [live.begin("ADD", name, POLYPOD_WAIT_MS="20000") for name in names]
        for _ in range(5):
            time.sleep(dice.uniform(0.02, 0.25))
            live.stop(daemon, signal.SIGKILL)
            daemon = live.start()
        codes = live.finish(calls)

        complete = [name for name in names if is_complete(live, name)]
        assert all(is_complete(live, name) or is_absent(live, name) for name in names)
        assert set(complete) >= {
            name for name, code in zip(names, codes, strict=True) if code == 0
        }, live.logged()
        assert len(set(live.leases())) == len(complete) == len(live.records()) == len(live.ports())
        deletes = [live.begin("DEL", name) for name in names]
        time.sleep(0.1)
        live.stop(daemon, signal.SIGKILL)
        assert live.finish(deletes) == [0] * PODS  # what nobody could take is kept
        live.start()
        assert all(is_absent(live, name) for name in names), live.logged()
        assert not live.ports() and not any(live.spool.glob("*.del"))
    finally:
        live.close()
    assert not list(NETNS.glob("storm*"))
