"""Doors by name: each contract runs on the one in memory and on the real one."""

from __future__ import annotations

from pathlib import Path

import pytest

BOTH = ("memory", "real")


@pytest.fixture(params=BOTH)
def which(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
