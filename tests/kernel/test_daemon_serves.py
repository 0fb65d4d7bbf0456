"""The real daemon and the real shim: what a caller sees, and what is there afterwards."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from tests.kernel.live import NETNS, Live


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


# --- what containers' kernels often lack: through the shim, on the kernel of ./dev vm -------------


@pytest.fixture
def uplink() -> Iterator[str]:
    """A wire whose near end is the parent of pods' links."""
    ip("link", "add", "up0", "type", "veth", "peer", "name", "far0")
    for name in ("up0", "far0"):
        ip("link", "set", name, "up")
    yield "up0"
    ip("link", "delete", "up0")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, timeout=10)


def inside(*command: str) -> Any:
    """Return the JSON that a command in the pod's namespace prints."""
    entered = ["nsenter", f"--net={NETNS / 'one'}", *command]
    return json.loads(subprocess.run(entered, capture_output=True, check=True).stdout)


def want(live: Live, **config: object) -> None:
    """Have the pod `one` ask for one network."""
    ipam = {"type": "host-local", "ranges": [[{"subnet": "10.67.0.0/24"}]]}
    text = json.dumps({"cniVersion": "1.0.0", "name": "more", "ipam": ipam, **config})
    documents = (
        {
            "apiVersion": "k8s.cni.cncf.io/v1",
            "kind": "NetworkAttachmentDefinition",
            "metadata": {"name": "more", "namespace": "default"},
            "spec": {"config": text},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": "one",
                "namespace": "default",
                "annotations": {"k8s.v1.cni.cncf.io/networks": "more"},
            },
        },
    )
    text = "\n---\n".join(json.dumps(document) for document in documents)
    (live.folder / "manifests" / "one.yaml").write_text(text)
    live.start()
    live.sandbox("one")


def assert_goes(live: Live) -> None:
    """Take the pod down, and see that nothing is left of it."""
    assert live.call("DEL", "one").code == 0
    assert live.links_of("one") == set() and not live.ports()
    assert not live.leases() and not live.records()


@pytest.mark.needs("ipvlan")
@pytest.mark.parametrize("mode", ["l2", "l3"])
def test_a_pod_has_an_ipvlan(live: Live, uplink: str, mode: str) -> None:
    want(live, type="ipvlan", master=uplink, mode=mode)

    assert live.call("ADD", "one").code == 0

    (link,) = inside("ip", "-j", "-d", "link", "show", "net1")
    assert link["linkinfo"]["info_kind"] == "ipvlan"
    assert link["linkinfo"]["info_data"]["mode"] == mode
    assert_goes(live)


@pytest.mark.needs("8021q")
def test_a_pod_has_a_macvlan_on_a_vlan(live: Live, uplink: str) -> None:
    ip("link", "add", "link", uplink, "name", "up0.5", "type", "vlan", "id", "5")
    ip("link", "set", "up0.5", "up")
    want(live, type="macvlan", master="up0.5")

    assert live.call("ADD", "one").code == 0

    (link,) = inside("ip", "-j", "-d", "link", "show", "net1")
    assert link["linkinfo"]["info_kind"] == "macvlan"
    assert_goes(live)


@pytest.mark.needs("bridge-vlan")
def test_a_pod_has_a_vlan_of_a_bridge(live: Live) -> None:
    want(live, type="bridge", bridge="vbr0", vlan=100)
    try:
        assert live.call("ADD", "one").code == 0

        shown = subprocess.run(["bridge", "-j", "vlan"], capture_output=True, check=True).stdout
        (port,) = [p for p in json.loads(shown) if p["ifname"].startswith("veth")
                   and any(v["vlan"] == 100 for v in p["vlans"])]  # fmt: skip
        assert {"vlan": 100, "flags": ["PVID", "Egress Untagged"]} in port["vlans"]
        assert_goes(live)
    finally:
        ip("link", "delete", "vbr0")
