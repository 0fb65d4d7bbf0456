"""The page about the wire has the numbers of both of its ends."""

from __future__ import annotations

import re
from pathlib import Path

from polypod.daemon import frames, patience, wire
from polypod.daemon.frames import Kind
from polypod.daemon.wire import How

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "reference" / "wire.md").read_text(encoding="utf-8")
SHIM = (ROOT / "shim" / "shim.c").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def constant(name: str) -> int:
    """Return a number of the shim's enumerations, `1 << 20` worked out."""
    (shown,) = re.findall(rf"\b{name} = (\d+(?: << \d+)?)", SHIM)
    left, _, shift = shown.partition(" << ")
    return int(left) << int(shift or 0)


def listed(prefix: str) -> list[str]:
    """Return the names of one of the shim's enumerations, in order."""
    (body,) = re.findall(rf"enum {{ ({prefix}[^}}]*) }}", SHIM)
    return [word.split(" =")[0].removeprefix(prefix) for word in body.split(", ")]


def mib(size: int) -> str:
    return f"{size >> 20} MiB"


def test_the_kinds_of_frames_are_those_of_the_daemon() -> None:
    told = {
        name: int(n) for name, n in re.findall(r"^\| ([A-Z_]+) \| (\d+) \|", PAGE, re.MULTILINE)
    }

    assert told == {kind.name: kind.value for kind in Kind}


def test_the_shim_counts_its_kinds_as_the_daemon_does() -> None:
    kinds = listed("KIND_")

    assert kinds == [kind.name for kind in Kind][: len(kinds)]
    assert constant("KIND_REQUEST") == Kind.REQUEST


def test_the_ends_of_a_run_are_those_of_both_sides() -> None:
    told = {name: int(n) for n, name in re.findall(r"^\| (\d) \| ([A-Z_]+) \|", PAGE, re.MULTILINE)}

    assert told == {how.name: how.value for how in How}
    shim = listed("RAN_")
    assert shim[: len(How)] == [how.name for how in How]
    assert shim[len(How) :] == ["UNWANTED"]  # the shim's own: nobody is there to be told


def test_version_and_sizes_are_those_of_both_sides() -> None:
    assert f"wire version: {frames.WIRE_VERSION}" in TEXT
    assert constant("WIRE_VERSION") == frames.WIRE_VERSION
    assert constant("SPOOL_VERSION") == frames.SPOOL_VERSION
    assert f"in place of the wire version the form of entries, {frames.SPOOL_VERSION}" in TEXT
    assert constant("MAX_PAYLOAD") == frames.MAX_PAYLOAD
    assert constant("MAX_REQUEST") == wire.MAX_REQUEST
    assert constant("MAX_STDIN") == wire.MAX_STDIN
    assert constant("MAX_STREAM") == wire.MAX_STREAM
    assert (
        f"at most {mib(frames.MAX_PAYLOAD)}; of a REQUEST, at most {mib(wire.MAX_REQUEST)}" in TEXT
    )
    assert f"stdin (blob, at most {mib(wire.MAX_STDIN)})" in TEXT
    assert f"each at most {mib(wire.MAX_STREAM)}" in TEXT


def test_the_spools_bounds_and_the_patience_are_told() -> None:
    spool = f"at most {constant('MAX_SPOOL')} entries and {mib(constant('MAX_SPOOL_BYTES'))}"

    assert spool in TEXT
    assert patience.BRIEF_S == 0.25
    assert "within a quarter of a second" in TEXT
    assert f"up to {patience.LONG_S:g} s" in TEXT
