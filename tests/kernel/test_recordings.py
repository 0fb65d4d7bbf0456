"""Replays recordings of the reference plugins against ours: same input, same answer.

Each recording is a case of steps: plugin calls with their answers, and commands in between. A
step whose answer differs on purpose is listed in DIFFERENCES with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests import features
from tests.conformance import cni_world
from tests.conformance.cni_world import Answer, World
from tests.kernel import recorded_state
from tests.kernel.recorded_state import blur

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

_LEAVES_NOTHING = "a failed ADD takes back what it did"
_WORKED = "the ADD that fails there works here"
_NFT_JSON = "nft cannot be told comments of tables and chains as JSON"
EFFECTS: dict[tuple[str, str], str] = {
    ("15_bridge_vlan100_l3_gateway", "ADD"): "an address is chosen before the link is made",
    ("15_bridge_vlan100_l3_gateway", "DEL"): "as its ADD",
    ("19c_bridge_emptied_l2_then_gateway", "ADD with isGateway"): _WORKED,
    (
        "24_bridge_default_route_twice",
        "IPAM default route without gw: second default route added",
    ): _WORKED,
    ("24_bridge_default_route_twice", "IPAM default route with gw: none added"): _WORKED,
    ("24_bridge_default_route_twice", "same dst, two gateways"): _WORKED,
    ("24_bridge_default_route_twice", "identical route twice"): _LEAVES_NOTHING,
    ("24_bridge_default_route_twice", "v6: same dst, two gateways"): _WORKED,
    (
        "24_bridge_default_route_twice",
        "scope link route without gw gets the gateway anyway: fails",
    ): _LEAVES_NOTHING,
    (
        "34_macvlan_leaks_on_failure",
        "ipam plugin missing: link stays in the container",
    ): _LEAVES_NOTHING,
    ("34_macvlan_leaks_on_failure", "ipam returns no IPs: link stays"): _LEAVES_NOTHING,
    ("34_macvlan_leaks_on_failure", "route cannot be installed"): _LEAVES_NOTHING,
    ("46_tuning_errors", "DEL restores from backup"): "the sysctl that is given twice is written",
    ("54_bridge_ipmasq_nftables", "ADD"): _NFT_JSON,
    ("54_bridge_ipmasq_nftables", "DEL"): _NFT_JSON,
    (
        "56_bridge_macspoofchk",
        "DEL after netns gone: nft rules stay",
    ): "rules go, though their sandbox went first",
    (
        "64_host_local_sets",
        "DEL x1/eth0: new-style matches, so the id-only file stays",
    ): "files of the old form go only when there are none of the new, whatever the sets",
}
"""(case, label) of steps that leave something else behind than the reference, and why."""

WITHOUT_VLANS = frozenset({"15_bridge_vlan100_l3_gateway", "16_bridge_vlan_trunk"})
"""Recorded on a kernel without VLAN filtering; test_cni_bridge_vlan.py needs one that has it."""
NEEDS = {"54_bridge_ipmasq_nftables": "nft-inet"}
"""What the kernel must have for a case."""

NOT_RECORDED: dict[tuple[str, str], str] = {
    ("21_bridge_check_failures", "CHECK ipam reservation gone"): "data/mynet/10.1.2.2",
}
"""(case, label) of steps before which the recorder removed a file without writing it down."""


def cases() -> list[Any]:
    found: list[Any] = []
    for path in sorted(RECORDINGS.glob("*.json")):
        if path.stem in WITHOUT_VLANS and features.is_here("bridge-vlan"):
            continue
        needs = [pytest.mark.needs(NEEDS[path.stem])] if path.stem in NEEDS else []
        case = json.loads(path.read_text(encoding="utf-8"))
        found.append(pytest.param(case, id=path.stem, marks=needs))
    return found


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


def run_plugin(step: Mapping[str, Any], words: Words, world: World) -> Answer:
    words.recognise(step)
    stdin = step["stdin"]
    text = stdin if isinstance(stdin, str) else json.dumps(stdin) if stdin is not None else ""
    variables = {key: words.fill(value) for key, value in step["env"].items()}
    return world.run(step["plugin"], variables, words.fill(text))


def prepared(case: Mapping[str, Any], world: World) -> Words:
    words = Words(world)
    for where in (cni_world.HOST, cni_world.SANDBOX):  # as on the machine of the recordings
        world.sh("echo 1 >/proc/sys/net/ipv4/ip_forward", where)
    for one in case["setup"]:
        world.sh(words.fill(one["cmd"]), one["netns"])
    return words


@pytest.mark.parametrize("case", cases())
def test_answers_and_effects_are_those_of_the_reference(
    case: Mapping[str, Any], world: World
) -> None:
    words = prepared(case, world)

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
        if "after" in step:
            wrong += effects(place, step["after"], world)

    assert not wrong, "\n".join(wrong)


def effects(place: tuple[str, str], wanted: dict[str, Any], world: World) -> list[str]:
    """Return how our host, sandbox and files differ from the reference's."""
    found = recorded_state.seen(world, wanted)
    lines: list[str] = []
    for where, theirs in wanted.items():
        ours = found[where]
        lines += [
            f"{place[1]}: {where} {key}:"
            f"\n  reference {theirs.get(key)}\n  ours      {ours.get(key)}"
            for key in sorted({*theirs, *ours})
            if theirs.get(key) != ours.get(key)
        ]
    if place in EFFECTS:
        return [] if lines else [f"{place[1]}: is in EFFECTS and does not differ"]
    return lines
