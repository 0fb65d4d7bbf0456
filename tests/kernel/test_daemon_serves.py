"""The real daemon and the real shim: what a caller sees, and what is there afterwards."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kernel.live import Live


@pytest.fixture
def live() -> Iterator[Live]:
    node = Live()
    yield node
    node.close()


def test_a_container_may_come_again_under_its_id(live: Live) -> None:
    live.start()
    live.sandbox("again")

    codes = [live.call(verb, "again").code for verb in ("ADD", "DEL", "ADD", "CHECK", "DEL")]

    assert codes == [0] * 5
    assert live.links_of("again") == set() and not live.ports()
    assert not live.leases() and not live.records()


def test_the_first_line_says_what_is_served(live: Live) -> None:
    daemon = live.start()
    assert live.stop(daemon) == 0

    first = live.logged().splitlines()[0]

    assert "event=daemon.starting" in first and f"socket={live.socket}" in first
    assert f"primary={live.folder / 'primary.conflist'}" in first and "threads=32" in first
