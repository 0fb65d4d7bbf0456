"""Try the wheel in dist/ as a user would: unpack it alone, place its shim, run that.

Called by `./dev build`, so that a wheel without a shim for every architecture is never kept.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "shim"))

import build  # noqa: E402 - shim/build.py, found by the line above


def run(*command: str, **variables: str) -> str:
    """Run a program and return what it prints."""
    done = subprocess.run(
        command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def main() -> None:
    """Fail unless every architecture's shim is there and this machine's works."""
    (wheel,) = (ROOT / "dist").glob("polypod-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        alone, placed = Path(folder) / "alone", Path(folder) / "bin"
        placed.mkdir()
        pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        run(*pip, "--no-index", "--no-deps", "--target", str(alone), str(wheel))
        for arch in build.ARCHITECTURES:
            size = (alone / "polypod" / "shim" / arch / "polypod").stat().st_size
            print(f"{wheel.name}: shim for {arch}, {size // 1024} KiB")
        module = (sys.executable, "-m", "polypod.cli.main")
        run(*module, "install", "shim", str(placed), "--links", PYTHONPATH=str(alone))
        said = run(str(placed / "bridge"), CNI_COMMAND="VERSION")
    if '"1.1.0"' not in said:
        sys.exit(f"the shim of the wheel does not work on {platform.machine()}: {said}")
    print(f"{wheel.name}: its shim is placed and works here")


if __name__ == "__main__":
    main()
