"""Compile the shim: one static file per architecture, kept until its source or flags change.

It decides compiler and flags only; `hatch_build.py` puts the result into the wheel and
`polypod.install.place` puts it on a node.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "shim" / "shim.c"
ARCHITECTURES = ("x86_64", "aarch64", "riscv64")
WARNINGS = [
    "-std=c11",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Wshadow",
    "-Wconversion",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wformat=2",
    "-Wswitch-enum",
    "-Werror",
]
RELEASE = ["-Os", "-static", "-s"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ANALYSED = {"gcc": ["-fanalyzer"], "clang": []}
"""What the distribution's compilers look for on top; clang keeps its analyser apart."""


class BuildError(RuntimeError):
    """No compiler can make the shim for that architecture."""


def machine() -> str:
    """Name this machine's architecture as the compilers do."""
    found = platform.machine()
    return {"amd64": "x86_64", "arm64": "aarch64"}.get(found, found)


def version() -> str:
    """Read the project's version, wherever it is kept."""
    project = ROOT / "pyproject.toml"
    if project.is_file():
        stated = tomllib.loads(project.read_text()).get("project", {}).get("version")
        if isinstance(stated, str):
            return stated
    text = (ROOT / "src" / "polypod" / "__init__.py").read_text()
    found = re.search(r'^__version__\s*=\s*"([^"]+)"', text, re.MULTILINE)
    return found.group(1) if found else "0.0.0"


def compiler(target_arch: str, *, sanitize: bool = False) -> list[str]:
    """Choose the compiler's command: zig for any architecture, the distribution's for this one.

    Raises:
        BuildError: there is none.
    """
    if not sanitize and importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc", "-target", f"{target_arch}-linux-musl"]
    if target_arch == machine():
        for name, flags in ANALYSED.items():
            if shutil.which(name):
                return [name, *(flags if sanitize else [])]
    wanted = "gcc or clang from the distribution" if sanitize else "ziglang from PyPI"
    raise BuildError(f"no compiler for {target_arch}: install {wanted}")


def build(target_arch: str, out: Path | None = None, *, sanitize: bool = False) -> Path:
    """Compile for one architecture to `out`, unless that file is already what would come out."""
    label = f"sanitize-{target_arch}" if sanitize else target_arch
    target = out if out is not None else ROOT / "build" / "shim" / label / "polypod"
    flags = [*WARNINGS, *(SANITIZED if sanitize else RELEASE)]
    command = [*compiler(target_arch, sanitize=sanitize), *flags]
    command.append(f'-DPOLYPOD_VERSION="{version()}"')
    key = hashlib.sha256(repr(command[1:]).encode() + SOURCE.read_bytes()).hexdigest()
    stamp = target.with_name(f".{target.name}.key")
    if target.is_file() and stamp.is_file() and stamp.read_text() == key:
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        subprocess.run([*command, "-o", str(temporary), str(SOURCE)], check=True)
        temporary.chmod(0o755)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    stamp.write_text(key)
    return target


def main() -> None:
    """Build what the command line asks for and print where it is."""
    parser = argparse.ArgumentParser(description="compile the shim")
    parser.add_argument("--arch", choices=(*ARCHITECTURES, "all"), default=machine())
    parser.add_argument("--out", type=Path, help="folder for <arch>/polypod")
    parser.add_argument(
        "--sanitize",
        action="store_true",
        help="gcc or clang with ASan and UBSan, and gcc's analyser",
    )
    options = parser.parse_args()
    for arch in ARCHITECTURES if options.arch == "all" else (options.arch,):
        out = options.out / arch / "polypod" if options.out else None
        try:
            print(build(arch, out, sanitize=options.sanitize))
        except (BuildError, subprocess.CalledProcessError) as error:
            sys.exit(f"shim: {error}")


if __name__ == "__main__":
    main()
