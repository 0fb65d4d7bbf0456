"""The reference programs that drive ours or share a node with them: built from their Go modules.

`python -m tests.e2e.reference` builds them into build/reference, before the tests enter a namespace
where no network is. Where it cannot, it says so, and the cases that need them are left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BUILT = Path(__file__).parents[2] / "build" / "reference"
PLUGINS = ("github.com/containernetworking/plugins", "v1.9.1")
CNI = ("github.com/containernetworking/cni", "v1.3.0")
MULTUS = ("gopkg.in/k8snetworkplumbingwg/multus-cni.v4", "v4.3.0")
PACKAGES = (
    f"{CNI[0]}/cnitool",
    f"{PLUGINS[0]}/plugins/main/bridge",
    f"{PLUGINS[0]}/plugins/main/macvlan",
    f"{PLUGINS[0]}/plugins/main/ptp",
    f"{PLUGINS[0]}/plugins/ipam/host-local",
    f"{PLUGINS[0]}/plugins/meta/bandwidth",
    f"{PLUGINS[0]}/plugins/meta/portmap",
    f"{PLUGINS[0]}/plugins/meta/tuning",
)
META_PACKAGES = (f"{MULTUS[0]}/cmd/multus",)
"""In a module of their own: they were released with other versions of the same modules."""
NOT_BUILT = "the reference programs are not built: `./dev e2e` found no Go, or not their modules"


def program(name: str) -> Path | None:
    """Return a program that was built, None when it was not."""
    found = BUILT / name
    return found if found.exists() else None


def build() -> bool:
    """Build what is missing; False when that is not possible here."""
    wanted = (*PACKAGES, *META_PACKAGES)
    if all(program(Path(package).name) for package in wanted):
        return True
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return False
    try:
        _make(go, (PLUGINS, CNI), PACKAGES, f"{CNI[0]}/cnitool@{CNI[1]}")
        _make(go, (MULTUS,), META_PACKAGES)
    except (OSError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return False
    return True


def _make(
    go: str, modules: tuple[tuple[str, str], ...], packages: tuple[str, ...], *inner: str
) -> None:
    """Build packages of some modules; `inner` are modules inside of these."""
    BUILT.mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GO111MODULE": "on"}
    with tempfile.TemporaryDirectory() as module:
        for words in (
            ("mod", "init", "reference"),
            ("get", *("@".join(one) for one in modules), *inner),
            ("build", "-trimpath", "-ldflags=-s -w", "-o", f"{BUILT}/", *packages),
        ):
            subprocess.run([go, *words], cwd=module, env=environment, check=True, timeout=400)


if __name__ == "__main__" and not build():
    sys.stderr.write(f"note: {NOT_BUILT}; the cases that need them are left out\n")
