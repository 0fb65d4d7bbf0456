"""Build hook: compiles the shim for every architecture and puts it into the wheel.

Flags and compilers are left to `shim/build.py`; an editable install finds the checkout's build
folder by itself and gets nothing here.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ShimHook(BuildHookInterface[Any]):
    """Add polypod/shim/<arch>/polypod to a wheel."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile before the wheel is packed."""
        if self.target_name != "wheel" or version == "editable":
            return
        spec = importlib.util.spec_from_file_location(
            "polypod_shim_build", Path(self.root) / "shim" / "build.py"
        )
        if spec is None or spec.loader is None:
            raise RuntimeError("shim/build.py is missing from the source tree")
        shim = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(shim)
        for arch in shim.ARCHITECTURES:
            built = str(shim.build(arch))
            build_data["force_include"][built] = f"polypod/shim/{arch}/polypod"
