"""The daemon looks for cycles seldom, among what requests made: not among what it imported."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import gc
from polypod.cli import main
seen = []
from polypod.cli import daemon
daemon.main = lambda words: seen.append(gc.isenabled()) or 0
main.main(["polypod", "daemon"])
from polypod.daemon import app
app._settle_memory()
print(*seen, gc.isenabled(), gc.get_freeze_count() > 1000, gc.get_threshold()[0])
"""


def test_cycles_are_looked_for_once_everything_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == ["False", "True", "True", "20000"]
