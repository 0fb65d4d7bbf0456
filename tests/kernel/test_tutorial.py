"""The tutorial's commands, run in the lab; their output must have the shape that the page shows.

A block behind `<!-- run -->` is run, a block behind `<!-- output -->` is what the block before it
prints. Numbers, hexadecimal words and times may differ; a line of `...` stands for any lines.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
FOLDER = ROOT / "build" / "tutorial"
MARK = "=== end of block"
LAB = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && exec sh -c "$SCRIPT"'
"""The tutorial's own `./dev lab`: what it makes goes with the namespaces."""
_block = re.compile(r"<!-- (run|output) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_varying = (
    (re.compile(r"\b\d{4}-\d\d-\d\dT[\d:]+([+-][\d:]+|Z)?"), "TIME"),
    (re.compile(r"\b([0-9a-f]{2}:){5}[0-9a-f]{2}\b"), "MAC"),
    (re.compile(r"\bfe80::[0-9a-f:]+"), "LINK-LOCAL"),
    (re.compile(r"\bveth[0-9a-f]{8}\b"), "VETH"),
    (re.compile(r"\d+\.\d+(/\d+\.\d+)+ ms|\b\d+(\.\d+)?ms|\b\d+\.\d+\b(?![./\d])"), "N"),
    (re.compile(r"\b\d{15,}-\d+\.del"), "ENTRY.del"),
    (re.compile(r"@if\d+"), "@ifN"),
    (re.compile(r"\b\d+ s ago"), "N s ago"),
    (re.compile(r"\bUNKNOWN\b"), "UP"),  # a link's state, before the kernel has worked it out
    (re.compile(r"[ \t─━]+"), " "),
)


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, and what they print."""

    commands: str
    output: str


def blocks(page: str) -> list[Block]:
    """Return the page's blocks that are run, in order."""
    found: list[Block] = []
    for kind, text in _block.findall(page):
        if kind == "run":
            found.append(Block(text, ""))
        else:
            found[-1] = Block(found[-1].commands, text)
    return found


def shape(text: str) -> list[str]:
    """Return lines without what varies from run to run."""
    for pattern, word in _varying:
        text = pattern.sub(word, text)
    return [line.strip() for line in text.strip().splitlines()]


def fits(shown: list[str], printed: list[str]) -> bool:
    """Tell whether printed lines have the shape of those shown."""
    if not shown or not printed:
        return not printed and all(line == "..." for line in shown)
    if shown[0] == "...":
        return any(fits(shown[1:], printed[at:]) for at in range(len(printed) + 1))
    return shown[0] == printed[0] and fits(shown[1:], printed[1:])


@pytest.fixture
def clean_folder() -> Iterator[None]:
    shutil.rmtree(FOLDER, ignore_errors=True)
    yield
    shutil.rmtree(FOLDER, ignore_errors=True)


def run_all(commands: list[str]) -> tuple[list[str], str]:
    """Run blocks in one shell; return what each printed, and what else was said."""
    script = f"echo '{MARK}'\n".join(["set -e\n", *(f"{text}\n" for text in commands), ""])
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as told:
        shell = subprocess.Popen(
            ["unshare", "-nm", "--propagation", "private", "sh", "-c", LAB],
            cwd=ROOT,
            env={
                **os.environ,
                "SCRIPT": script,
                "PATH": programs,
                "COLUMNS": "110",
                "NO_COLOR": "1",
            },
            stdout=printed,  # a file: a daemon that is left running must not keep us waiting
            stderr=told,
            start_new_session=True,
        )
        try:
            shell.wait(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(shell.pid, signal.SIGKILL)
        printed.seek(0)
        told.seek(0)
        parts = printed.read().split(f"{MARK}\n")
        log = FOLDER / "daemon.log"
        logged = log.read_text(encoding="utf-8") if log.is_file() else ""
        return parts[1:-1], f"{parts[-1]}{told.read()}{logged}"


@pytest.mark.usefixtures("clean_folder")
def test_the_tutorials_commands_print_what_the_page_shows() -> None:
    wanted = blocks(PAGE.read_text(encoding="utf-8"))

    printed, told = run_all([block.commands for block in wanted])

    assert len(printed) == len(wanted), f"a command failed: {told}"
    for block, text in zip(wanted, printed, strict=True):
        assert fits(shape(block.output), shape(text)), f"{block.commands}\nprinted\n{text}"
    assert not FOLDER.exists()


def test_a_shape_forgives_what_varies_and_nothing_else() -> None:
    shown = shape("veth0a1b2c3d  aa:bb:cc:dd:ee:ff  1.25\n...\nlast 10.1.2.3/24")

    assert fits(shown, shape("veth99999999 00:11:22:33:44:55 17.0\nlast 10.1.2.3/24"))
    assert fits(shown, shape("veth99999999 00:11:22:33:44:55 17.0\na\nb\nlast 10.1.2.3/24"))
    assert not fits(shown, shape("veth99999999 00:11:22:33:44:55 17.0\nlast 10.1.2.4/24"))
    assert not fits(shown, shape("eth0 00:11:22:33:44:55 17.0\nlast 10.1.2.3/24"))
