"""Another release of the agent, made of this one: another wire, a shim and records of its own.

The image stays the same; the package in it is covered by a folder of the node, so that an upgrade
and a rollback are what they are for a user: another pod template, and the former one again.
"""

from __future__ import annotations

import compileall
import json
import platform
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

from cluster.place import Place
from tests.cluster import agent
from tests.cluster.agent import ROOT
from tests.cluster.kube import Kube

PACKAGE = Path("/usr/lib/python3/dist-packages/polypod")
"""Where the image has it."""
CHANGES = (
    ("daemon/frames.py", "WIRE_VERSION: Final = 1", "WIRE_VERSION: Final = 2"),
    (
        "plan/record.py",
        "    version: int = RECORD_VERSION",
        '    version: int = RECORD_VERSION\n    added: str = "by the newer release"',
    ),
)
WIRE = ("WIRE_VERSION = 1,", "WIRE_VERSION = 2,")


def make_newer(place: Place) -> Path:
    """Write the newer release's package into a folder of the node; return it."""
    package = place.root / "newer" / "polypod"
    if package.exists():
        return package
    unwanted = shutil.ignore_patterns("__pycache__", "shim")
    shutil.copytree(ROOT / "src" / "polypod", package, ignore=unwanted)
    for name, former, newer in CHANGES:
        _change(package / name, package / name, former, newer)
    source = package.with_name("shim.c")
    _change(ROOT / "shim" / "shim.c", source, *WIRE)
    _compile(source, shim_of(package))
    compileall.compile_dir(
        package,
        quiet=2,
        stripdir=str(package),
        prependdir=str(PACKAGE),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return package


def shim_of(package: Path) -> Path:
    """Return a package's shim."""
    return package / "shim" / platform.machine() / "polypod"


def run(kube: Kube, package: Path) -> None:
    """Have the agent run a package instead of the image's, and wait for it."""
    patch = ("patch", "daemonset", "polypod", "--type=strategic", "-p", _cover(package))
    kube("-n", agent.NAMESPACE, *patch)
    agent.wait(kube)


def revision(kube: Kube) -> int:
    """Return the number of what the DaemonSet runs now."""
    names = ("-n", agent.NAMESPACE, "get", "controllerrevisions", "-o")
    return max(map(int, kube(*names, "jsonpath={.items[*].revision}").split()))


def roll_back(kube: Kube, to: int) -> None:
    """Go back to a revision; the one before is another when the agent was restarted since."""
    words = ("rollout", "undo", "daemonset/polypod", f"--to-revision={to}")
    kube("-n", agent.NAMESPACE, *words)
    agent.wait(kube)


def _cover(package: Path) -> str:
    volume = {"name": "release", "hostPath": {"path": str(package)}}
    mount = {"name": "release", "mountPath": str(PACKAGE), "readOnly": True}
    spec = {"containers": [{"name": "agent", "volumeMounts": [mount]}], "volumes": [volume]}
    return json.dumps({"spec": {"template": {"spec": spec}}})


def replace_shim(place: Place, content: bytes) -> None:
    """Put another shim into its place, as an agent does: the file is replaced, never written to."""
    fresh = place.cni_bin / ".polypod.fresh"
    fresh.write_bytes(content)
    fresh.chmod(0o755)
    fresh.rename(place.cni_bin / "polypod")


def shim_in_place(place: Place) -> bytes:
    """Return the node's shim."""
    return (place.cni_bin / "polypod").read_bytes()


def restart_agent(kube: Kube) -> None:
    """Start the agent anew, as `kubectl rollout restart` does."""
    kube("-n", agent.NAMESPACE, "rollout", "restart", "daemonset/polypod")
    agent.wait(kube)


def _change(source: Path, target: Path, former: str, newer: str) -> None:
    text = source.read_text(encoding="utf-8")
    assert text.count(former) == 1, (source, former)
    target.write_text(text.replace(former, newer), encoding="utf-8")


def _compile(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True)
    triple = f"{platform.machine()}-linux-musl"
    zig = [sys.executable, "-m", "ziglang", "cc", "-target", triple, "-std=c11", "-Os", "-static"]
    version = '-DPOLYPOD_VERSION="0.2.0"'
    command = [*zig, "-s", version, "-o", str(target), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
