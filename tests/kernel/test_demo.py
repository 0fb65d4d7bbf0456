"""The demo, run as a newcomer runs it, in a lab of its own: what it shows, and how it ends."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENTER = 'mount -t tmpfs tmpfs /run && mkdir -p /run/netns && exec "$@"'
LAB = ("unshare", "-nm", "--propagation", "private", "sh", "-c", ENTER, "sh")
COMMAND = (*LAB, sys.executable, "-m", "demo.run")
LIMIT_S = 120


@pytest.fixture(scope="module")
def shown() -> str:
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "PATH": "/nowhere:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_every_check_is_as_expected(shown: str) -> None:
    found = re.search(r"(\d+) of (\d+) checks are as expected", shown)

    assert found is not None
    assert found[1] == found[2]
    assert "FAIL" not in shown
    assert "LOST" not in shown


def test_every_pod_is_attached_or_left_out_for_a_reason(shown: str) -> None:
    left_out = {
        name for names in re.findall(r"left out: (.*)", shown) for name in names.split(", ") if name
    }
    attached = set(re.findall(r"^  (?:alpha|beta) +(\w+) +[\d.]+ ms", shown, re.MULTILINE))

    assert {"camera", "recorder", "roamer", "web", "hub"} <= attached
    assert len(attached | left_out) == 12
    assert attached & left_out == set()


def test_it_is_plain_text_where_nobody_looks(shown: str) -> None:
    assert "\x1b" not in shown


def test_nothing_is_left(shown: str) -> None:
    assert "no name, mount or process is left, and no file" in shown


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Have programs that are started end by SIGINT, though this one may run where it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_takes_the_lab_down() -> None:
    with subprocess.Popen(
        COMMAND, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        said: list[str] = []
        for line in demo.stdout:
            said.append(line)
            if line.startswith("  alpha camera"):
                os.killpg(demo.pid, signal.SIGINT)
        code = demo.wait(LIMIT_S)

    assert code == 130, "".join(said)
    assert said[-1] == "  interrupted: taking the lab down\n"
    assert not _daemons()


def _daemons() -> list[str]:
    """Return daemons whose folder was the demo's."""
    found: list[str] = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = entry.read_bytes()
        except OSError:
            continue
        if b"/run/polypod-demo/" in words:
            found.append(words.decode(errors="replace"))
    return found
