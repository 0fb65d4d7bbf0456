"""The networks of the Talos guide carry packets, over links as Talos makes them.

The lab's namespace is the node: two cards, a VLAN's link on the second, a bridge with that link as
its port. `far` is everybody else on the wires.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.kernel.live import Live
from tests.kernel.world import run

from polypod.cli import main as entry

EXAMPLES = Path(__file__).parents[2] / "examples" / "talos"
FAR = "far"


class Node:
    """A node of the guide, and its command line."""

    def __init__(self, live: Live, capsys: pytest.CaptureFixture[str]) -> None:
        self.live = live
        self._capsys = capsys
        live.sandbox(FAR)
        for card in ("enp1s0", "enp2s0"):
            run("ip", "link", "add", card, "type", "veth", "peer", "name", card, "netns", FAR)
            run("ip", "link", "set", card, "up")
            self.far("ip", "link", "set", card, "up")

    def far(self, *command: str) -> None:
        run("ip", "netns", "exec", FAR, *command)

    def attach(self, pod: str, folder: Path = EXAMPLES, code: int = 0) -> str:
        """Attach a pod of the guide to a sandbox of its name; return what is said."""
        self.live.sandbox(pod)
        places = ["--state", str(self.live.state), "--socket", str(self.live.socket)]
        places += ["--data-root", str(self.live.data), "--manifests", str(folder)]
        assert entry.main(["polypod", "add", pod, pod, *places]) == code
        said = self._capsys.readouterr()
        return said.err if code else said.out

    def close(self) -> None:
        self.live.close()
        for link in ("br50", "enp1s0", "enp2s0"):
            subprocess.run(["ip", "link", "delete", link], capture_output=True, check=False)


@pytest.fixture
def node(capsys: pytest.CaptureFixture[str]) -> Iterator[Node]:
    made = Node(Live(primary=None), capsys)
    yield made
    made.close()


def reaches(sandbox: str, address: str) -> bool:
    """Tell whether one of a few packets is answered: the first may fail with a neighbour's past."""
    ping = ["ping", "-c", "4", "-i", "0.5", "-W", "1", address]
    command = ["ip", "netns", "exec", sandbox, *ping]
    return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0


def test_a_macvlan_pod_is_a_machine_of_the_lan(node: Node) -> None:
    node.far("ip", "addr", "add", "192.168.1.1/24", "dev", "enp1s0")

    node.attach("camera")

    assert reaches("camera", "192.168.1.1")
    assert reaches(FAR, "192.168.1.50")


@pytest.mark.needs("ipvlan")
def test_an_ipvlan_pod_is_reached_behind_the_cards_mac(node: Node) -> None:
    node.far("ip", "addr", "add", "10.20.0.1/24", "dev", "enp2s0")

    node.attach("backup")

    assert reaches("backup", "10.20.0.1")
    shown = run("ip", "netns", "exec", "backup", "ip", "-o", "link", "show", "net1")
    card = run("ip", "-o", "link", "show", "enp2s0")
    assert shown.split("link/ether ")[1].split()[0] == card.split("link/ether ")[1].split()[0]


@pytest.mark.needs("ipvlan")
def test_one_card_carries_one_of_the_two(node: Node, tmp_path: Path) -> None:
    text = (EXAMPLES / "macvlan.yaml").read_text().replace("enp1s0", "enp2s0")
    (tmp_path / "macvlan.yaml").write_text(text)
    node.attach("camera", tmp_path)

    said = node.attach("backup", code=1)

    assert "device or resource busy" in said.lower()


@pytest.mark.needs("8021q")
def test_a_bridge_on_a_vlans_link_carries_that_vlan(node: Node) -> None:
    make_far_vlan(node)
    run("ip", "link", "add", "link", "enp2s0", "name", "enp2s0.50", "type", "vlan", "id", "50")
    run("ip", "link", "set", "enp2s0.50", "up")
    run("ip", "link", "add", "br50", "type", "bridge")
    run("ip", "link", "set", "enp2s0.50", "master", "br50")
    run("ip", "link", "set", "br50", "up")

    node.attach("shop")

    assert reaches("shop", "10.50.0.1")
    assert reaches(FAR, "10.50.0.50")


@pytest.mark.needs("8021q")
@pytest.mark.needs("bridge-vlan")
def test_a_filtering_bridge_does_not_until_its_uplink_is_in_the_vlan(
    node: Node, tmp_path: Path
) -> None:
    make_far_vlan(node)
    run("ip", "link", "add", "br50", "type", "bridge", "vlan_filtering", "1")
    run("ip", "link", "set", "enp2s0", "master", "br50")
    run("ip", "link", "set", "br50", "up")
    text = (EXAMPLES / "bridge-vlan.yaml").read_text()
    (tmp_path / "shop.yaml").write_text(text.replace('"br50",', '"br50", "vlan": 50,'))

    node.attach("shop", tmp_path)

    assert not reaches("shop", "10.50.0.1")
    run("bridge", "vlan", "add", "vid", "50", "dev", "enp2s0")
    assert reaches("shop", "10.50.0.1")


def make_far_vlan(node: Node) -> None:
    """Make VLAN 50 at the far end of the second wire, with an address."""
    for words in (
        ("link", "add", "link", "enp2s0", "name", "vlan50", "type", "vlan", "id", "50"),
        ("addr", "add", "10.50.0.1/24", "dev", "vlan50"),
        ("link", "set", "vlan50", "up"),
    ):
        node.far("ip", *words)
