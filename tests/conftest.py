"""What every test gets: a marker from its folder, Hypothesis settings, and the rules of the lab.

Kernel tests run in a network namespace of their own (`./dev kernel` makes it) and leave it as they
found it: open files, links, namespaces, mounts, programs. They are skipped for one reason only, a
kernel feature that the other run has (features.py).
"""

from __future__ import annotations

import gc
import os
import socket
import subprocess
import time
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import configuration, settings
from tests import features

SETTLE_S = 10.0

TESTS = Path(__file__).parent
KINDS = frozenset({"unit", "property", "contract", "kernel", "conformance", "e2e"})

configuration.set_hypothesis_home_dir(TESTS.parent / "build" / "hypothesis")
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.register_profile("long", deadline=None, max_examples=5000)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with the folder it lives in; leave some to the run on the other kernel."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in KINDS:
            item.add_marker(kind)
    left = [item for item in items if features.is_for_the_other_run(item)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test for a missing kernel feature, if the other run covers it."""
    features.check(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn any other skip of a kernel test into a failure."""
    report = yield
    is_ours = item.get_closest_marker("kernel") is not None
    if is_ours and report.skipped and not features.is_left_out(item):
        report.outcome = "failed"
        report.longrepr = f"a kernel test may be skipped for a feature only: {report.longrepr}"
    return report


def _shares_the_machines_network() -> bool:
    try:
        return Path("/proc/self/ns/net").readlink() == Path("/proc/1/ns/net").readlink()
    except PermissionError:
        return False  # not root out there, so nothing of the machine can be changed


def _open_files() -> dict[str, str]:
    gc.collect()
    found: dict[str, str] = {}
    for link in Path("/proc/self/fd").iterdir():
        try:
            found[link.name] = _described(int(link.name), str(link.readlink()))
        except OSError:  # the descriptor that lists the folder, or one closed meanwhile
            continue
    return found


def _settled(most: int) -> dict[str, str]:
    """Return what is open once threads that are about to end have ended."""
    deadline = time.monotonic() + SETTLE_S
    while len(found := _open_files()) > most and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def _described(fd: int, what: str) -> str:
    """Return what a descriptor leads to, for a socket with its ends."""
    if not what.startswith("socket:"):
        return what
    with socket.socket(fileno=os.dup(fd)) as same:
        return repr(same)


def _said(*command: str) -> set[str]:
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def _children() -> set[str]:
    """Return the names of this process's children; /proc/PID/stat has them between brackets."""
    found: set[str] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text(errors="replace").partition("(")[2].rpartition(") ")
        except OSError:  # it ended meanwhile
            continue
        if rest.split()[1] == str(os.getpid()):
            found.add(name)
    return found


def _lab() -> dict[str, set[str]]:
    """Return what is in the lab: links, named namespaces, mounts, programs that we started."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    return {
        "links": _said("ip", "-br", "link"),
        "namespaces": {path.name for path in Path("/run/netns").glob("*")},
        # iproute2 mounts /run/netns upon itself with the first namespace it makes.
        "mounts": {line.split()[4] for line in mounts} - {"/run/netns"},
        "programs": _children(),
    }


@pytest.fixture(scope="session")
def loopback() -> None:
    """Let tests reach servers of their own: the loopback of a new lab is down."""
    if not _shares_the_machines_network():  # refused where that cannot be told: then it is up
        subprocess.run(["ip", "link", "set", "lo", "up"], capture_output=True, check=False)


@pytest.fixture(scope="session")
def kernel_lab() -> Iterator[None]:
    """Refuse the machine's own network; fail the run when it leaves anything behind."""
    if _shares_the_machines_network():
        pytest.exit("kernel tests need a network namespace of their own: ./dev kernel", 4)
    before, lab = _open_files(), _lab()
    yield
    found = _lab()
    # The lab began with a copy of the machine's mounts, which go when the machine's owner says so.
    lab["mounts"] &= found["mounts"]
    assert found == lab, "the tests did not leave the lab as they found it"
    after = _settled(len(before))
    left = sorted(f"{fd}: {name}" for fd, name in after.items() if fd not in before)
    assert len(after) <= len(before), f"open files left behind: {left}"


@pytest.fixture(autouse=True)
def rules_of_the_folder(request: pytest.FixtureRequest) -> None:
    """Put kernel tests into the lab, where those of conformance may be, too."""
    kinds = {mark.name for mark in request.node.iter_markers()}
    if kinds & {"kernel", "conformance"}:
        request.getfixturevalue("loopback")
    if "kernel" in kinds:
        request.getfixturevalue("kernel_lab")
