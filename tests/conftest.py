"""What every test gets: a marker from its folder, Hypothesis settings, and the rules of the lab.

Kernel tests run in a network namespace of their own (`./dev kernel` makes it) and end with as many
open files as they began with.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import configuration, settings

TESTS = Path(__file__).parent
KINDS = frozenset({"unit", "property", "contract", "kernel", "conformance", "e2e"})

configuration.set_hypothesis_home_dir(TESTS.parent / "build" / "hypothesis")
settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the folder it lives in."""
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        kind = item.path.relative_to(TESTS).parts[0]
        if kind in KINDS:
            item.add_marker(kind)


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
            found[link.name] = str(link.readlink())
        except FileNotFoundError:  # the descriptor that lists the folder
            continue
    return found


@pytest.fixture(scope="session")
def kernel_lab() -> Iterator[None]:
    """Refuse the machine's own network; fail the run when open files are left behind."""
    if _shares_the_machines_network():
        pytest.exit("kernel tests need a network namespace of their own: ./dev kernel", 4)
    before = _open_files()
    yield
    after = _open_files()
    left = sorted(f"{fd}: {name}" for fd, name in after.items() if fd not in before)
    assert len(after) <= len(before), f"open files left behind: {left}"


@pytest.fixture(autouse=True)
def rules_of_the_folder(request: pytest.FixtureRequest) -> None:
    """Put kernel tests into the lab."""
    if request.node.get_closest_marker("kernel") is not None:
        request.getfixturevalue("kernel_lab")
