"""The shim in each way it is built; CI fails where a person's machine skips."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.unit.shim.node import Node

ROOT = Path(__file__).resolve().parents[3]
VARIANTS = ("zig", "sanitizers", "aarch64")


def absent(what: str) -> None:
    """Skip on a person's machine; in CI everything must be there."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}: CI installs it, so its absence is a defect")
    pytest.skip(what)


@pytest.fixture(scope="session")
def builder() -> Any:
    spec = importlib.util.spec_from_file_location("shim_build", ROOT / "shim" / "build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session", params=VARIANTS)
def program(request: pytest.FixtureRequest, builder: Any) -> list[str]:
    """The command that starts the shim: as shipped, with sanitizers, and for another machine."""
    if request.param == "zig":
        return [str(builder.build(builder.machine()))]
    if request.param == "sanitizers":
        if not shutil.which("gcc") and not shutil.which("clang"):
            absent("the build with sanitizers needs gcc or clang")
        return [str(builder.build(builder.machine(), sanitize=True))]
    emulator = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
    if emulator is None:
        absent("the shim for aarch64 needs qemu-aarch64-static (Debian: qemu-user-static)")
    return [str(emulator), str(builder.build("aarch64"))]


@pytest.fixture
def node(program: list[str], tmp_path: Path) -> Node:
    return Node(program, tmp_path)
