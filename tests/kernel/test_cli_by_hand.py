"""`polypod add|del|check|status|gc` on a real kernel, without a daemon and through one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.live import BRIDGE, Live, links
from tests.kernel.world import run

from polypod.cli import main as entry

CONFIG = {
    "cniVersion": "1.0.0",
    "name": "hand",
    "type": "bridge",
    "bridge": BRIDGE,
    "ipam": {"type": "host-local", "subnet": "10.77.0.0/24"},
}
MANIFESTS = f"""
apiVersion: k8s.cni.cncf.io/v1
kind: NetworkAttachmentDefinition
metadata: {{name: lan}}
spec: {{config: '{json.dumps({**CONFIG, "name": "lan"})}'}}
---
apiVersion: v1
kind: Pod
metadata:
  name: hub
  annotations: {{k8s.v1.cni.cncf.io/networks: "lan, lan@second"}}
"""


class Hand:
    """The command line on one node, and what it leaves there."""

    def __init__(self, live: Live, capsys: pytest.CaptureFixture[str]) -> None:
        self.live = live
        self._capsys = capsys
        self.manifests = live.folder / "by-hand"
        self.manifests.mkdir()
        (self.manifests / "all.yaml").write_text(MANIFESTS)

    def __call__(self, verb: str, *words: str, code: int = 0) -> str:
        places = ["--state", str(self.live.state), "--socket", str(self.live.socket)]
        places += ["--data-root", str(self.live.data)]
        done = entry.main(["polypod", verb, *words, *places])
        said = self._capsys.readouterr()
        assert done == code, said.err
        return said.out if code == 0 else said.err

    def pod(self, verb: str, *words: str, code: int = 0) -> str:
        return self(verb, *words, "--manifests", str(self.manifests), code=code)

    def file(self, **changed: object) -> str:
        path = self.live.folder / "hand.conf"
        path.write_text(json.dumps({**CONFIG, **changed}))
        return str(path)

    def is_clean(self) -> bool:
        return not (self.live.ports() or self.live.leases() or self.live.records())


@pytest.fixture
def hand(capsys: pytest.CaptureFixture[str]) -> Iterator[Hand]:
    live = Live(primary=None)
    yield Hand(live, capsys)
    live.close()


@pytest.fixture(params=["without a daemon", "through the daemon"])
def either(request: pytest.FixtureRequest, hand: Hand) -> Hand:
    if request.param == "through the daemon":
        hand.live.start()
    return hand


def test_a_pod_is_attached_checked_and_taken_back(either: Hand) -> None:
    either.live.sandbox("blue")

    answer = json.loads(either.pod("add", "hub", "blue", "-o", "cni"))

    assert answer["ips"][0]["address"] == "10.77.0.2/24"
    assert either.live.links_of("blue") == {"net1", "second"}
    assert either("check", "hub", "blue") == "ok\n"

    either("del", "hub", "blue")

    assert either.live.links_of("blue") == set()
    assert either.is_clean()


def test_networks_need_no_pod(either: Hand) -> None:
    either.live.sandbox("blue")

    either.pod("add", "--network", "lan", "blue")
    rows = json.loads(either("add", "-N", either.file() + "@extra", "blue", "-o", "json"))

    assert [(row["network"], row["interface"]) for row in rows] == [("file/hand", "extra")]
    assert either.live.links_of("blue") == {"net1", "extra"}


def test_one_network_is_taken_back_and_the_others_stay(either: Hand) -> None:
    either.live.sandbox("blue")
    either.pod("add", "--network", "lan@first", "blue")
    either("add", "--network", either.file() + "@extra", "blue")

    either("del", "--network", "lan", "blue")

    assert either.live.links_of("blue") == {"extra"}
    either("del", "blue")
    assert either.is_clean()


def test_a_namespace_is_found_again_under_another_path(either: Hand) -> None:
    path = Path(either.live.sandbox("blue"))
    either.pod("add", "--network", "lan", "blue")
    other = either.live.folder / "other"
    other.symlink_to(path)

    either("del", str(other))

    assert either.is_clean()


def test_a_difference_is_told(either: Hand) -> None:
    either.live.sandbox("blue")
    either.pod("add", "--network", "lan", "blue")
    run("nsenter", "--net=/run/netns/blue", "ip", "address", "flush", "dev", "net1")

    said = either("check", "blue", code=1)

    assert "10.77.0.2/24" in said


def test_a_refusal_leaves_nothing(either: Hand) -> None:
    either.live.sandbox("blue")
    either.pod("add", "--network", "lan", "blue")

    said = either.pod("add", "hub", "blue", code=1)

    assert "net1" in said
    assert either.live.links_of("blue") == {"net1"}
    assert len(either.live.leases()) == 1


def test_a_pod_that_nobody_knows_is_refused(either: Hand) -> None:
    either.live.sandbox("blue")

    said = either("add", "nobody", "blue", code=1)

    assert said.startswith("polypod: there is no pod default/nobody")
    assert "hint: " in said
    assert either.is_clean()


def test_gc_takes_back_what_lost_its_namespace_and_nothing_else(either: Hand) -> None:
    for name in ("gone", "here"):
        either.live.sandbox(name)
        either.pod("add", "--network", "lan", name)
    either.live.remove_sandbox("gone")

    planned = either("gc", "--dry-run")
    before = len(either.live.leases())
    either("gc")

    assert planned.startswith("net1 of default/lan in /run/netns/gone")
    assert before == 2
    assert len(either.live.leases()) == 1
    assert either.live.links_of("here") == {"net1"}


def test_gc_keeps_those_that_are_named(either: Hand) -> None:
    for name in ("blue", "red"):
        either.live.sandbox(name)
        either.pod("add", "--network", "lan", "--container-id", f"of-{name}", name)

    either("gc", "--valid", "of-red")

    assert either.live.records() == {"of-red": 1}


def test_nothing_attached_is_a_finding_of_check_and_none_of_del(either: Hand) -> None:
    either.live.sandbox("blue")

    assert either("del", "blue") == ""
    assert "nothing is attached to blue" in either("check", "blue", code=1)


def test_a_dry_run_prints_the_plan_and_changes_nothing(hand: Hand) -> None:
    said = hand.pod("add", "--dry-run", "hub", "no-such-namespace")

    assert "net1: default/lan" in said
    assert "second: default/lan" in said
    assert not hand.live.state.exists()
    assert not hand.live.data.exists()
    assert BRIDGE not in {link["ifname"] for link in links()}


def test_status_tells_who_attaches(hand: Hand) -> None:
    assert hand("status").startswith(f"ready (no daemon owns {hand.live.state}")

    hand.live.start()

    assert hand("status").startswith(f"ready (daemon at {hand.live.socket}")


def test_a_daemon_that_does_not_answer_is_not_passed_by(hand: Hand) -> None:
    hand.live.start()
    hand.live.sandbox("blue")
    hand.live.socket = hand.live.folder / "elsewhere"

    said = hand.pod("add", "hub", "blue", code=1)

    assert "a daemon owns" in said
    assert "POLYPOD_SOCKET" in said
    assert hand.is_clean()


def test_what_a_runtime_attached_is_not_taken_back_by_hand(hand: Hand) -> None:
    (hand.live.folder / "manifests" / "all.yaml").write_text(MANIFESTS)
    hand.live.start()
    hand.live.sandbox("hub")
    assert hand.live.call("ADD", "hub").code == 0

    hand("del", "hub")
    hand("gc")

    assert hand("check", "hub") == "ok\n"
    assert hand.live.links_of("hub") == {"net1", "second"}
    hand("del", "--container-id", "hub", "hub")
    assert hand.is_clean()
