"""Which recorded sandboxes have ended: runtimes remove the file of a network namespace with it.

Asked at a start. A pod that ended while no agent was there got its DEL by another configuration,
and none of ours comes any more once the kubelet has had its sandbox removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath

from polypod.plan.record import Record

FOLDER = Path("/run/netns")
"""Where runtimes keep them."""
MOUNTED = Path("/host/run/netns")
"""Where an agent in a container sees that folder. Not in its own place: a foreign plugin that is
run for a kept DEL would be told of a namespace, and cannot look up its own among the runtime's."""


def ended(folder: Path = FOLDER, mounted: Path = MOUNTED) -> Callable[[Record], bool]:
    """Look once; return what tells whether a record's sandbox has ended.

    A folder that is absent or empty tells nothing: it may not be the runtime's.
    """
    there = _names(mounted) or _names(folder)

    def has_ended(record: Record) -> bool:
        netns = PurePath(record.netns.removeprefix("/var"))  # /var/run is /run
        return bool(there) and netns.parent == folder and netns.name not in there

    return has_ended


def _names(folder: Path) -> frozenset[str]:
    try:
        return frozenset(path.name for path in folder.iterdir())
    except OSError:
        return frozenset()
