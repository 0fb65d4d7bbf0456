"""Replays recordings of the reference plugins against ours: same input, same answer.

Each recording is a case of steps: plugin calls with their answers, and commands in between. A
step whose answer differs on purpose is listed in DIFFERENCES with the reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import cni_world
from tests.conformance.cni_world import Answer, World

RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"

DIFFERENCES: dict[tuple[str, str], str] = {
    ("19c_bridge_emptied_l2_then_gateway", "ADD with isGateway"): "a bridge without MAC gets one",
    (
        "24_bridge_default_route_twice",
        "IPAM default route without gw: second default route added",
    ): "one default route is enough",
    ("31_macvlan_modes_mtu", "netns missing"): "the path is shown, not a formatting slip",
    ("45_tuning", "CHECK allmulti off"): "values are shown, not their addresses",
    ("45_tuning", "CHECK txQLen"): "values are shown, not their addresses",
    ("46_tuning_errors", "duplicate sysctl keys"): "as elsewhere in JSON, the last one wins",
    ("46_tuning_errors", "args.cni.sysctl without a sysctl section"): "no crash",
    ("46_tuning_errors", "sysctl at 0.3.1"): "an address always has its version",
}
"""(case, label) of steps that answer otherwise than the reference, and why."""

NOT_RECORDED: dict[tuple[str, str], str] = {
    ("21_bridge_check_failures", "CHECK ipam reservation gone"): "data/mynet/10.1.2.2",
}
"""(case, label) of steps before which the recorder removed a file without writing it down."""


def cases() -> list[Any]:
    return [
        pytest.param(json.loads(path.read_text(encoding="utf-8")), id=path.stem)
        for path in sorted(RECORDINGS.glob("*.json"))
    ]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Two empty namespaces named as in the recordings."""
    opened = cni_world.opened(tmp_path)
    yield opened
    cni_world.closed(opened)


class Words:
    """Fills the placeholders of a recording, and finds what was random in it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._same: dict[str, str] = {}
        self._added: list[tuple[dict[str, str], dict[str, str]]] = []

    def fill(self, text: str) -> str:
        text = text.replace("@TMP@-data", str(self._world.data))
        text = text.replace("@TMP@", str(self._world.folder)).replace("@BIN@", "/nonexistent")
        for recorded, ours in self._same.items():
            text = text.replace(recorded, ours)
        return text

    def keep(self, step: Mapping[str, Any], stdout: str) -> None:
        """Remember an ADD's result, the reference's form and ours: a later CHECK is about it."""
        if step["env"].get("CNI_COMMAND") == "ADD" and stdout.startswith("{"):
            theirs = json.loads(step["stdout_normalized"] or "{}").get("interfaces", [])
            self._added = list(zip(theirs, json.loads(stdout).get("interfaces", []), strict=False))

    def recognise(self, step: Mapping[str, Any]) -> None:
        """Learn what stands in a prevResult for a name or MAC that was random in the ADD."""
        stdin = step["stdin"]
        recorded = stdin.get("prevResult") if isinstance(stdin, dict) else None
        links = recorded.get("interfaces", []) if isinstance(recorded, dict) else []
        for link, (theirs, ours) in zip(links, self._added, strict=False):
            for key in ("name", "mac"):
                if str(theirs.get(key)).startswith("<") and ours[key] not in self._same.values():
                    self._same[link[key]] = ours[key]


def blur(text: str) -> str:
    """Replace what is random by what it is."""
    text = re.sub(r"veth[0-9a-f]{8}", "VETH", text)
    text = re.sub(r"<veth\d+>", "VETH", text)
    text = re.sub(r"<mac\d+>", "MAC", text)
    return re.sub(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC", text)


def run_plugin(step: Mapping[str, Any], words: Words, world: World) -> Answer:
    words.recognise(step)
    stdin = step["stdin"]
    text = stdin if isinstance(stdin, str) else json.dumps(stdin) if stdin is not None else ""
    variables = {key: words.fill(value) for key, value in step["env"].items()}
    return world.run(step["plugin"], variables, words.fill(text))


@pytest.mark.parametrize("case", cases())
def test_answers_are_those_of_the_reference(case: Mapping[str, Any], world: World) -> None:
    words = Words(world)
    for prepared in case["setup"]:
        world.sh(words.fill(prepared["cmd"]), prepared["netns"])

    wrong: list[str] = []
    for step in case["steps"]:
        place = (case["case"], step["label"])
        if "cmd" in step:
            world.sh(words.fill(step["cmd"]), step["netns"] or cni_world.HOST)
            continue
        if place in NOT_RECORDED:
            (world.folder / NOT_RECORDED[place]).unlink()
        answer = run_plugin(step, words, world)
        wanted = words.fill(step["stdout_normalized"] or "")
        words.keep(step, answer.stdout)
        differs = (answer.code, blur(answer.stdout)) != (step["exit_code"], blur(wanted))
        if differs != (place in DIFFERENCES):
            wrong.append(
                f"{step['label']}:\n  reference {step['exit_code']} {blur(wanted)}"
                f"\n  ours      {answer.code} {blur(answer.stdout)}"
            )

    assert not wrong, "\n".join(wrong)
