"""A real cluster for the length of the run, the agent on its node, a leak check around a case."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import life
from cluster.place import Place, here
from tests.cluster import agent
from tests.cluster.kube import Kube
from tests.cluster.traces import Traces

STATE = Path("/var/lib/polypod")


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    found = here()
    life.down(found)  # what an interrupted run left
    shutil.rmtree(STATE, ignore_errors=True)
    life.up(found)
    yield found
    life.down(found)
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.fixture(scope="session")
def kube(place: Place) -> Kube:
    return Kube(place)


@pytest.fixture(scope="session")
def installed(kube: Kube, place: Place) -> Iterator[None]:
    """Put the agent on the node, from its image and its rendered manifests."""
    agent.load_image(place)
    agent.install(kube, place)
    yield
    agent.uninstall(kube)


@pytest.fixture
def namespace(kube: Kube, installed: None) -> Iterator[str]:
    """Give a case a namespace of its own, and see that nothing is left after it."""
    del installed
    before = Traces.of(kube.place)
    name = kube.make_namespace()
    yield name
    kube.delete_namespace(name)
    Traces.wait_equal(kube.place, before)
