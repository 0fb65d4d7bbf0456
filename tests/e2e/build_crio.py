"""CRI-O, built from its Go module as its own Makefile does, but static.

`python -m tests.e2e.build_crio` builds it into build/reference, before the tests enter a namespace
where no network is; the first time takes some three minutes on two processors. Where it cannot, it
says so, and the cases that need it are left out.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.e2e.reference import BUILT

MODULE = ("github.com/cri-o/cri-o", "v1.34.0")
TAGS = (
    "containers_image_openpgp",
    "containers_image_ostree_stub",
    "exclude_graphdriver_btrfs",
    "exclude_graphdriver_devicemapper",
)
"""What would need libraries in C is left out; so are seccomp, SELinux and AppArmor, by no tag."""
FOLDER = BUILT / f"crio-{MODULE[1]}"
CRIO = FOLDER / "crio"
PINNS = FOLDER / "pinns"
"""CRI-O's helper that makes a pod's namespaces and binds them to files."""
NOT_BUILT = "CRI-O is not built: `./dev e2e` found no Go, or not CRI-O's module"


def is_built() -> bool:
    """Tell whether both programs are there."""
    return CRIO.exists() and PINNS.exists()


def build() -> bool:
    """Build what is missing; False when that is not possible here."""
    if is_built():
        return True
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return False
    sys.stderr.write("-> CRI-O, from its Go module (some minutes)\n")
    try:
        _make(go)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return False
    return True


def _make(go: str) -> None:
    """Build in the module's folder: its `replace` lines count only there."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOFLAGS": "-mod=readonly",
    }
    got = _run((go, "mod", "download", "-json", "@".join(MODULE)), FOLDER, environment)
    source = Path(json.loads(got)["Dir"])
    flags = ("-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-tags", ",".join(TAGS))
    _run((go, "build", *flags, "-o", str(CRIO), "./cmd/crio"), source, environment)
    target = ("-target", f"{platform.machine()}-linux-musl", "-std=c99", "-Os", "-static", "-s")
    compiler = (sys.executable, "-m", "ziglang", "cc", *target)
    files = sorted(str(path) for path in (source / "pinns" / "src").glob("*.c"))
    _run((*compiler, "-o", str(PINNS), *files), FOLDER, environment)


def _run(command: tuple[str, ...], folder: Path, environment: Mapping[str, str]) -> bytes:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True, timeout=600
    )
    return done.stdout


if __name__ == "__main__" and not build():
    sys.stderr.write(f"note: {NOT_BUILT}; the cases that need it are left out\n")
