"""A real cluster for the length of the run, the agent on its node, a leak check around a case."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster import control_plane, life, processes
from cluster.place import Place, here
from tests.cluster import agent
from tests.cluster.kube import Kube, bridge, pod
from tests.cluster.traces import LEASES, STATE, Traces

from polypod.install.agent import DEVICE_INFO

DEVICES = Path(DEVICE_INFO)


@pytest.fixture(scope="session")
def place() -> Iterator[Place]:
    found = here()
    life.down(found)  # what an interrupted run left
    for folder in (STATE, LEASES, DEVICES):
        shutil.rmtree(folder, ignore_errors=True)
    life.up(found)
    yield found
    life.down(found)
    for folder in (STATE, LEASES, DEVICES):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def kube(place: Place) -> Kube:
    return Kube(place)


@pytest.fixture(scope="session")
def installed(kube: Kube, place: Place) -> Iterator[None]:
    """Put the agent on the node, from its image and its rendered manifests."""
    agent.load_image(place)
    agent.install(kube, place)
    _make_what_is_shared(kube)
    yield
    agent.uninstall(kube)


def _make_what_is_shared(kube: Kube) -> None:
    """Have one pod attached, so that chains and files of the first use are there."""
    name = kube.make_namespace()
    kube.apply(bridge(name, "first", "10.70.0.0/24"), pod(name, "first", "first"))
    kube.wait_ready(name, "first")
    kube.delete_namespace(name)


@pytest.fixture
def namespace(kube: Kube, installed: None) -> Iterator[str]:
    """Give a case a namespace of its own, and see that nothing is left after it."""
    del installed
    before = Traces.of(kube.place)
    name = kube.make_namespace()
    yield name
    kube.delete_namespace(name)
    Traces.wait_equal(kube.place, before)


@pytest.fixture
def silence(kube: Kube, namespace: str) -> Iterator[None]:
    """Have the API server back after a case that stops it, before the namespace goes."""
    del namespace
    yield
    if processes.pid_of(kube.place, "kube-apiserver") is None:
        control_plane.start_api_server(kube.place)
        life.restart_watchers(kube.place)


@pytest.fixture
def taken_away(kube: Kube, installed: None) -> Iterator[None]:
    """Put the agent back after a case that takes it away; it takes back what it had left."""
    del installed
    before = Traces.of(kube.place)
    yield
    agent.install(kube, kube.place)
    Traces.wait_equal(kube.place, before)


@pytest.fixture
def plugin(place: Place) -> Iterator[Path]:
    """A place for a foreign plugin, named `t-slow`."""
    path = place.cni_bin / "t-slow"
    yield path
    path.unlink(missing_ok=True)
    path.with_suffix(".called").unlink(missing_ok=True)
