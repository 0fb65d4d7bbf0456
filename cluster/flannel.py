"""Flannel's two images without a registry: its programs, and the distribution's that it calls."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from cluster import images, versions
from cluster.images import Image

CALLED = ("iptables", "iptables-save", "iptables-restore", "nft")
"""What flanneld starts; found on its PATH."""
EXTENSIONS = "*/xtables/lib*t_*.so"
"""What iptables loads at run time, below /usr/lib."""


def daemon(name: str) -> Image:
    """Return the image of flanneld, with the paths that its manifest names."""
    built = versions.flannel()
    called = {f"bin/{program}": _found(program) for program in CALLED}
    loaded = [*Path("/usr/lib").glob(EXTENSIONS)]
    needed = [*_libraries(called.values()), *loaded]
    return Image(
        name=name,
        files={
            "opt/bin/flanneld": (built / "flannel").read_bytes(),
            "opt/bin/install-conf": (built / "install_conf").read_bytes(),
            **{path: program.read_bytes() for path, program in called.items()},
            **{str(path).lstrip("/"): path.read_bytes() for path in needed},
        },
        command=("/opt/bin/flanneld",),
    )


def plugin(name: str) -> Image:
    """Return the image that the plugin is copied from."""
    return Image(
        name=name,
        files={
            "flannel": (versions.flannel_plugin() / "flannel").read_bytes(),
            "bin/busybox": _found("busybox").read_bytes(),
        },
        links={"bin/cp": "busybox"},
    )


def write(folder: Path, *wanted: Image) -> list[Path]:
    """Write images as archives that `ctr images import` takes."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for number, image in enumerate(wanted):
        found.append(folder / f"flannel-{number}.tar")
        images.write(image, found[-1])
    return found


def _found(program: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise SystemExit(f"Flannel's image needs {program} (Debian: apt-get install iptables)")
    return Path(found)


def _libraries(programs: Iterable[Path]) -> list[Path]:
    """Return the libraries of programs, the loader among them."""
    command = ["ldd", *(str(program) for program in programs)]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout
    return [Path(name) for name in sorted(set(re.findall(r"(/\S+) \(0x", told)))]
