"""Starts what an image holds once, so that nobody ships one whose programs do not run.

The root folder is entered with chroot; a root of another architecture is run by qemu's user-mode
emulator, which needs no registration with the kernel.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

EMULATORS = {"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}
SHIMS = {"amd64": "x86_64", "arm64": "aarch64"}
PACKAGES = "usr/lib/python3/dist-packages/polypod"


def start(root: Path, arch: str, *, native: bool) -> tuple[str, ...]:
    """Start Polypod, its parts in C and the shim; return a line on each.

    Raises:
        SystemExit: one of them does not run, or there is no emulator.
    """
    emulator = None if native else _emulator(arch)
    machine = SHIMS[arch]
    cases = (
        (("/usr/bin/polypod", "version"), {}, f"({machine})"),
        (("/usr/bin/python3", "-Ic", _PARTS), {}, f"parts of {machine}"),
        ((f"/{PACKAGES}/shim/{machine}/polypod",), {"CNI_COMMAND": "VERSION"}, '"1.1.0"'),
    )
    return tuple(_one(root, emulator, *case) for case in cases)


_PARTS = """
import ctypes.util, msgspec, platform, sqlite3, ssl
sqlite3.connect(":memory:").execute("select 1")
msgspec.json.decode(b"{}")
print("parts of", platform.machine())
"""


def _emulator(arch: str) -> Path:
    found = shutil.which(EMULATORS[arch])
    if found is None:
        raise SystemExit(
            f"image: {EMULATORS[arch]} is needed to start it here (Debian: qemu-user-static)"
        )
    return Path(found)


def _one(
    root: Path,
    emulator: Path | None,
    words: tuple[str, ...],
    variables: dict[str, str],
    wanted: str,
) -> str:
    """Run one program inside the root; the emulator is there only for as long as it runs."""
    command = [*_interpreter(root, words[0]), *words]
    inside = root / "host" / "qemu"
    if emulator is not None:
        shutil.copy2(emulator, inside)
        command = ["/host/qemu", *command]
    try:
        ran = subprocess.run(
            ["chroot", str(root), *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={"PATH": os.environ["PATH"], **variables},
        )
    finally:
        inside.unlink(missing_ok=True)
    if ran.returncode or wanted not in ran.stdout:
        raise SystemExit(f"image: {' '.join(words)[:80]} says\n{ran.stdout}{ran.stderr}")
    return f"{words[0].rpartition('/')[2]}: {ran.stdout.splitlines()[0]}"


def _interpreter(root: Path, program: str) -> list[str]:
    """Return who reads a script: the emulator starts no scripts."""
    with (root / program.lstrip("/")).open("rb") as file:
        first = file.readline(200)
    return first[2:].decode("ascii").split() if first.startswith(b"#!") else []
