"""What the sources must not do, where no linter looks."""

from __future__ import annotations

from pathlib import Path

import polypod

SOURCES = Path(polypod.__file__).parent


def test_links_are_never_looked_up_in_sysfs() -> None:
    """/sys/class/net shows the namespace of whoever mounted it, not that of the thread."""
    files = list(SOURCES.rglob("*.py"))

    found = [file.name for file in files if "/sys/class" in file.read_text(encoding="utf-8")]

    assert len(files) > 50
    assert found == []
