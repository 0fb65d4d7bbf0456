"""Calls inside calls: foreign plugins that delegate to ours while their own pod's call waits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kernel.live import BRIDGE, Live

CALLS = 32
LEASE = {"type": "host-local", "subnet": "10.66.0.0/16"}
HASTY = """
import sys
from polypod.cli import daemon
from polypod.daemon import term
term.DRAIN_S = term.NESTED_DRAIN_S = 0.3
sys.exit(daemon.main(sys.argv[1:]))
"""
"""A daemon that waits for nobody long."""
DELEGATING: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "live",
    "plugins": [{"type": "wrapper", "ipam": LEASE}],
}


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live(DELEGATING)
    yield node
    node.close()


def test_plugins_of_32_pods_delegate_at_once_and_none_waits_for_ever(live: Live) -> None:
    # Every one of them takes a thread, then calls the daemon again for its address.
    live.plugin("wrapper", f"sleep 0.3; exec {live.bin / 'host-local'}")
    live.start()
    names = [f"nested{number}" for number in range(CALLS)]
    for name in names:
        live.sandbox(name)

    codes = live.finish([live.begin("ADD", name) for name in names])

    assert codes == [0] * CALLS, live.logged()
    assert sorted(live.leases().values()) == sorted(names)
    assert live.finish([live.begin("DEL", name) for name in names]) == [0] * CALLS
    assert not live.leases() and not live.records()


def test_32_plugins_by_name_whose_addresses_come_from_a_plugin_that_calls_us(live: Live) -> None:
    # bridge (by name) runs a foreign IPAM plugin, which asks our host-local: three calls deep.
    config = {"cniVersion": "1.0.0", "name": "live", "type": "bridge", "bridge": BRIDGE}
    outer = json.dumps({**config, "ipam": {**LEASE, "type": "asker"}}).encode()
    swap = 'sed "s/\\"asker\\"/\\"host-local\\"/"'
    live.plugin("asker", f"sleep 0.1; {swap} | {live.bin / 'host-local'}")
    live.start()
    names = [f"deep{number}" for number in range(CALLS)]
    for name in names:
        live.sandbox(name)

    codes = live.finish([live.begin("ADD", name, outer, "bridge") for name in names])

    assert codes == [0] * CALLS, live.logged()
    assert len(live.ports()) == CALLS
    assert live.finish([live.begin("DEL", name, outer, "bridge") for name in names]) == [0] * CALLS
    assert not live.ports() and not live.leases()


def test_a_call_inside_a_call_is_let_in_while_the_daemon_drains(live: Live) -> None:
    started, go_on = live.folder / "started", live.folder / "go-on"
    wait = f"touch {started}; while ! test -e {go_on}; do sleep 0.02; done"
    live.plugin("wrapper", f"{wait}; exec {live.bin / 'host-local'}")
    daemon = live.start()
    live.sandbox("drained")
    live.sandbox("late")
    call = live.begin("ADD", "drained")
    while not started.exists():
        assert daemon.poll() is None

    daemon.terminate()
    live.wait_logged("event=daemon.draining")
    late = live.call("ADD", "late", POLYPOD_WAIT_MS="200")
    go_on.touch()

    assert late.code == 1 and late.json["code"] == 11 and "away" in late.json["msg"]
    assert live.finish([call]) == [0], live.logged()
    assert daemon.wait(30) == 0
    assert live.records() == {"drained": 1}
    live.start()
    assert live.call("DEL", "drained").code == 0
    assert not live.leases()


@pytest.mark.parametrize("asked", ["SIGTERM", "another daemon"])
def test_a_call_that_does_not_end_ends_with_the_daemon_and_is_undone(
    live: Live, asked: str
) -> None:
    live.plugin("wrapper", f'test "$CNI_COMMAND" = DEL || sleep 60; {live.bin / "host-local"}')
    hasty, live.program = live.program, ["-c", HASTY]
    daemon = live.start()
    live.program = hasty
    live.sandbox("endless")
    call = live.begin("ADD", "endless", POLYPOD_WAIT_MS="0")
    live.wait_for(lambda: bool(live.records()))

    if asked == "SIGTERM":
        daemon.terminate()
        assert daemon.wait(30) == 0
        live.start()
    else:
        live.start("--stand-by", "20")

    assert daemon.wait(30) == 0  # with a call at work it may not stand by
    assert "event=daemon.undrained running=1" in live.logged()
    assert live.finish([call]) == [1]
    live.wait_for(lambda: not live.records() and not live.leases())
