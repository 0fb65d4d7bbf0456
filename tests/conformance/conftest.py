"""What the conformance tests are given."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conformance import cni_world, multus_node
from tests.conformance.cni_world import World
from tests.kubelet import Kubelet

from polypod.testing.node import Node


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An empty host, an empty sandbox and a folder, for one test."""
    opened = cni_world.opened(tmp_path)
    yield opened
    cni_world.closed(opened)


@pytest.fixture
def parent(world: World) -> World:
    """A world whose host has eth9, a link that is up."""
    world.ip("link add eth9 up type veth peer name other")
    return world


@pytest.fixture
def node() -> Node:
    """A node whose primary is net2 of type mynet2, with two definitions."""
    return multus_node.made()


@pytest.fixture
def kubelet() -> Iterator[Kubelet]:
    """A kubelet that knows no pod yet."""
    with tempfile.TemporaryDirectory(prefix="kubelet-") as folder:  # a short path, for a socket
        yield Kubelet(Path(folder))


@pytest.fixture(autouse=True)
def row() -> str:
    """The id of the row that a test is, where a mark gives one."""
    return ""


@pytest.fixture
def leases(tmp_path: Path) -> World:
    """A folder for leases, without namespaces: IPAM plugins need none."""
    made = World(tmp_path)
    made.data.mkdir()
    return made
