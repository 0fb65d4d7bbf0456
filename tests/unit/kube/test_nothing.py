"""A node that serves only its primary: no pods, no definitions, no status."""

from __future__ import annotations

from dataclasses import replace

from polypod.engine import attach, detach
from polypod.engine.doors import Caller
from polypod.kube.nothing import NoSource, NoStatus
from polypod.testing.node import Node


def test_a_pod_gets_the_primary_alone() -> None:
    node = Node()
    node.networks.raw = b'{"cniVersion":"1.0.0","name":"cbr0","type":"bridge","bridge":"cni0"}'
    doors = replace(node.doors(), source=NoSource(), status=NoStatus())
    sandbox = node.sandbox("c1", namespace="ns", pod="p")

    attach.attach(sandbox.request("ADD"), Caller(), doors)
    made = sorted(node.world.sandboxes[sandbox.netns].links)
    detach.detach(sandbox.request("DEL"), Caller(), doors)

    assert made == ["eth0", "lo"]
    assert list(node.world.sandboxes[sandbox.netns].links) == ["lo"]


def test_nobody_knows_of_anything() -> None:
    assert NoSource().pod("ns", "p") is None
    assert NoSource().definition("ns", "net") is None
    NoStatus().write("ns", "p", "[]")
    NoStatus().remove("ns", "p")
