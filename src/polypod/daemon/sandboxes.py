"""Which recorded sandboxes have ended: runtimes remove the file of a network namespace with it.

Asked at a start. A pod that ended while no agent was there got its DEL by another configuration,
and none of ours comes any more once the kubelet has had its sandbox removed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PurePath

from polypod.plan.record import Record

FOLDER = Path("/run/netns")
"""Where runtimes keep them; in a container it is seen only if it is mounted."""


def ended(folder: Path = FOLDER) -> Callable[[Record], bool]:
    """Look once; return what tells whether a record's sandbox has ended.

    A folder that is absent or empty tells nothing: it may not be the runtime's.
    """
    try:
        there = frozenset(path.name for path in folder.iterdir())
    except OSError:
        there = frozenset[str]()

    def has_ended(record: Record) -> bool:
        netns = PurePath(record.netns.removeprefix("/var"))  # /var/run is /run
        return bool(there) and netns.parent == folder and netns.name not in there

    return has_ended
