"""A control plane for the length of the run; tests run inside its network namespace."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from cluster import life
from cluster.place import Place, alone
from tests.control_plane.lab import RealLab

from polypod.kernel import netns


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    found = alone()
    life.down(found)  # what an interrupted run left
    life.up(found, with_node=False)
    yield found
    life.down(found)


@pytest.fixture(scope="session")
def prepared(place: Place) -> Iterator[RealLab]:
    fd = os.open(place.netns, os.O_RDONLY | os.O_CLOEXEC)
    with netns.inside(fd):
        lab = RealLab(place)
        lab.prepare()
        yield lab
        lab.close()
    os.close(fd)


@pytest.fixture
def lab(prepared: RealLab) -> Iterator[RealLab]:
    yield prepared
    prepared.clear()
