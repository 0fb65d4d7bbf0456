"""The node and the runtimes that cases share, and the check after each that nothing is left."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from tests.e2e import build_crio, traces
from tests.e2e.crio import Crio
from tests.e2e.networks import bridge, macvlan, tuning
from tests.e2e.node import Node
from tests.e2e.programs import output, wait_until
from tests.e2e.view import running

THE_NODE = pytest.StashKey[Node]()
LAB_ENTRY = "e2e tests need namespaces of their own: ./dev e2e"


def _is_lab() -> bool:
    """Tell whether this network is new: no address yet (a kernel may put tunnels into each)."""
    links = json.loads(output("ip", "-j", "addr"))
    return not any(link["addr_info"] for link in links) and not list(Path("/run").glob("*.pid"))


@pytest.fixture(scope="session")
def whole_node(request: pytest.FixtureRequest) -> Generator[Node]:
    """A node that runs; in a fresh network namespace only."""
    if not _is_lab():
        pytest.exit(LAB_ENTRY, 4)
    output("ip", "link", "set", "lo", "up")
    output("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "wire")
    for name in ("uplink", "wire"):
        output("ip", "link", "set", name, "up")
    node = Node(Path("/run/e2e"))
    request.config.stash[THE_NODE] = node
    try:
        node.start()
        _make_what_is_shared(node)
        yield node
    finally:
        node.stop()


def _make_what_is_shared(node: Node) -> None:
    """Have one pod on every network, so that bridges and first-use files are there."""
    node.network("left", bridge(50, isGateway=True))
    node.network("right", macvlan())
    node.network("chain", bridge(51, capabilities={"mac": True, "ips": True}), tuning())
    pod = node.pod("first", "left,right,chain")
    sandbox = node.runtime.run_pod(pod)
    node.runtime.stop_pod(sandbox)
    node.runtime.remove_pod(sandbox)


@pytest.fixture
def node(whole_node: Node) -> Iterator[Node]:
    """The node, as clean after the test as before."""
    before = traces.read(whole_node)
    yield whole_node
    try:
        traces.assert_none(whole_node, before)
    except AssertionError:
        whole_node.runtime.end_pods()  # so that the next case is not to blame
        raise


@pytest.fixture(scope="session")
def whole_crio(whole_node: Node) -> Iterator[Crio]:
    """A CRI-O that runs, and has made a pod, so that its own files are there."""
    if not build_crio.is_built():
        pytest.skip(build_crio.NOT_BUILT)
    crio = Crio(whole_node)
    crio.prepare()
    whole_node.programs.append(crio.program)
    try:
        crio.start()
        with running(whole_node, whole_node.pod("first", "left"), by=crio.runtime):
            pass
        yield crio
    finally:
        crio.program.stop()


@pytest.fixture
def crio(node: Node, whole_crio: Crio) -> Iterator[Crio]:
    """The CRI-O, as clean after the test as before; it and the daemon run again then."""
    yield whole_crio
    if node.daemon.process is None:
        node.start_daemon()
    if whole_crio.program.process is None:
        whole_crio.start()
    try:
        wait_until(lambda: not whole_crio.remains(), "CRI-O keeps nothing")
    except TimeoutError:
        left = whole_crio.remains()
        whole_crio.runtime.end_pods()  # so that the next case is not to blame
        raise AssertionError(left) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the programs' logs with a failure."""
    report = yield
    node = item.config.stash.get(THE_NODE, None)
    if report.failed and node is not None:
        for program in node.programs:
            report.sections.append((f"{program.name}'s log", program.tail()))
    return report
