"""What kernel tests get: a world of two namespaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.kernel.world import World


@pytest.fixture
def world() -> Iterator[World]:
    """Return a host and a sandbox, empty but for their loopbacks."""
    world = World()
    yield world
    world.close()
