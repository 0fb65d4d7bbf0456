"""An ADD that fails, and what it must not leave behind: what the tests of the engine share."""

from __future__ import annotations

import pytest

from polypod.errors import PolypodError
from polypod.testing.node import Node, Sandbox


def left(node: Node) -> dict[str, object]:
    """Everything that a failed ADD must not leave behind."""
    return {
        "world": node.world.seen(),
        "leases": node.pools.held(),
        "records": node.journal.all(),
        "status": node.status.texts,
        "backups": node.backups.contents,
    }


def fails(node: Node, pod: Sandbox, text: str = "") -> PolypodError:
    with pytest.raises(PolypodError) as raised:
        node.add(pod)
    assert text in raised.value.cause
    return raised.value
