"""Replays recordings of the reference plugins against ours: same input, same answer.

Each recording is a case of steps: plugin calls with their answers, and commands in between. A
step whose answer differs on purpose is listed in DIFFERENCES with the reason.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"
HOST, SANDBOX = "cnires-host", "cnires-cont"
PLUGIN_PROGRAM = "import sys; from polypod.cli.plugin import main; sys.exit(main(sys.argv[1]))"

DIFFERENCES: dict[tuple[str, str], str] = {}
"""(case, label) of steps that answer otherwise than the reference, and why."""


def cases() -> list[Any]:
    return [
        pytest.param(json.loads(path.read_text(encoding="utf-8")), id=path.stem)
        for path in sorted(RECORDINGS.glob("*.json"))
    ]


def sh(command: str, netns: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["ip", "netns", "exec", netns, "sh", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.fixture
def world(tmp_path: Path) -> Any:
    """Two empty namespaces named as in the recordings."""
    (tmp_path / "data").mkdir()
    for name in (HOST, SANDBOX):
        subprocess.run(["ip", "netns", "add", name], check=True)
        if name == HOST:
            sh("ip link set lo up", name)
    yield tmp_path
    for name in (HOST, SANDBOX):
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


class Words:
    """Fills the placeholders of a recording, and finds those of an answer."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._links: dict[str, str] = {}

    def fill(self, text: str) -> str:
        text = text.replace("@TMP@-data", str(self._folder / "data"))
        text = text.replace("@TMP@", str(self._folder)).replace("@BIN@", "/nonexistent")
        for recorded, ours in self._links.items():
            text = text.replace(recorded, ours)
        return text

    def learn(self, recorded: str, ours: str) -> None:
        for theirs, mine in zip(
            re.findall(r"veth[0-9a-f]{8}", recorded),
            re.findall(r"veth[0-9a-f]{8}", ours),
            strict=False,
        ):
            self._links[theirs] = mine


def blur(text: str) -> str:
    """Replace what is random by what it is."""
    text = re.sub(r"veth[0-9a-f]{8}", "VETH", text)
    text = re.sub(r"<veth\d+>", "VETH", text)
    text = re.sub(r"<mac\d+>", "MAC", text)
    return re.sub(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC", text)


def run_plugin(step: Mapping[str, Any], words: Words) -> tuple[int, str]:
    stdin = step["stdin"]
    text = stdin if isinstance(stdin, str) else json.dumps(stdin) if stdin is not None else ""
    environment = {key: words.fill(value) for key, value in step["env"].items()}
    done = subprocess.run(
        ["ip", "netns", "exec", HOST, sys.executable, "-c", PLUGIN_PROGRAM, step["plugin"]],
        input=words.fill(text),
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("case", cases())
def test_answers_are_those_of_the_reference(case: Mapping[str, Any], world: Path) -> None:
    words = Words(world)
    for prepared in case["setup"]:
        sh(words.fill(prepared["cmd"]), prepared["netns"])

    wrong: list[str] = []
    for step in case["steps"]:
        if "cmd" in step:
            sh(words.fill(step["cmd"]), step["netns"] or HOST)
            continue
        code, stdout = run_plugin(step, words)
        wanted = words.fill(step["stdout_normalized"] or "")
        words.learn(json.dumps(step), stdout)
        differs = (code, blur(stdout)) != (step["exit_code"], blur(wanted))
        if differs and (case["case"], step["label"]) not in DIFFERENCES:
            wrong.append(
                f"{step['label']}:\n  reference {step['exit_code']} {blur(wanted)}"
                f"\n  ours      {code} {blur(stdout)}"
            )

    assert not wrong, "\n".join(wrong)
