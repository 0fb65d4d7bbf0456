"""Builds programs from their Go modules, each once: the cache outlives checkouts."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cluster import versions

TIMEOUT_S = 3600


class MissingGoError(Exception):
    """There is no Go, or one that is too old; the text is one sentence for the reader."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Some packages to build into one folder."""

    folder: Path
    requires: tuple[tuple[str, str], ...]
    """Modules and their versions."""
    packages: tuple[str, ...]
    stamp: str = ""
    """Extra linker flags."""
    replaces: tuple[tuple[str, str], ...] = ()
    """Modules that come in another release than the main module says, and that release."""
    files: tuple[str, ...] = ()
    """Files of the first module to keep beside the programs."""
    has_c: bool = False
    """Whether parts are in C: they are compiled as the shim is, and linked statically."""

    @property
    def programs(self) -> tuple[Path, ...]:
        """Return what is built."""
        return tuple(self.folder / package.rpartition("/")[2] for package in self.packages)

    @property
    def is_done(self) -> bool:
        """Tell whether everything is in the cache."""
        kept = [self.folder / Path(name).name for name in self.files]
        return all(path.exists() for path in (*self.programs, *kept))


def go() -> str:
    """Return the Go command.

    Raises:
        MissingGoError: none, or too old.
    """
    found = shutil.which("go") or shutil.which("/usr/local/go/bin/go")
    wanted = ".".join(map(str, versions.NEEDS_GO))
    sentence = f"the cluster is built from Go modules, which needs Go {wanted} or newer"
    if found is None:
        raise MissingGoError(f"{sentence}; there is none on PATH")
    told = subprocess.run([found, "version"], capture_output=True, text=True, check=True).stdout
    number = re.search(r"go(\d+)\.(\d+)", told)
    if number is None or tuple(map(int, number.groups())) < versions.NEEDS_GO:
        raise MissingGoError(f"{sentence}; this is {told.strip()}")
    return found


def build(job: Job) -> None:
    """Build a job's programs unless they are there.

    Raises:
        MissingGoError: there is no Go to build with.
    """
    if job.is_done:
        return
    command = go()
    print(f"-> building {job.folder.name} ({len(job.packages)} programs)", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="polypod-build-") as folder:
        work = Path(folder)
        _write_module(work, job)
        # -e: what a package's part for another system lacks is no matter; the build tells ours.
        _run([command, "mod", "tidy", "-e"], work)
        static = "-extldflags -static" if job.has_c else ""
        flags = f"-s -w {static} {job.stamp}".strip()
        fresh = work / "out"
        fresh.mkdir()
        _run(
            [command, "build", "-trimpath", "-ldflags", flags, "-o", f"{fresh}/", *job.packages],
            work,
            _compiler() if job.has_c else {},
        )
        for name in job.files:
            shutil.copyfile(_module(command, work, job) / name, fresh / Path(name).name)
        job.folder.mkdir(parents=True, exist_ok=True)
        for made in fresh.iterdir():
            placed = job.folder / f".{made.name}.new"
            shutil.copy2(made, placed)
            placed.replace(job.folder / made.name)


def staging(module: str, release: str, published: str) -> tuple[tuple[str, str], ...]:
    """Return the modules that live in the main module's tree, at their published release."""
    with tempfile.TemporaryDirectory(prefix="polypod-build-") as folder:
        told = _run([go(), "mod", "download", "-json", f"{module}@{release}"], Path(folder))
    text = Path(json.loads(told)["GoMod"]).read_text(encoding="utf-8")
    names = re.findall(r"^\s*(\S+) => \./staging/", text, re.MULTILINE)
    return tuple((name, published) for name in names)


def _write_module(work: Path, job: Job) -> None:
    lines = ["module build", f"go {'.'.join(map(str, versions.NEEDS_GO))}.0"]
    lines += [f"require {name} {version}" for name, version in job.requires]
    lines += [f"replace {name} => {name} {version}" for name, version in job.replaces]
    (work / "go.mod").write_text("\n".join(lines) + "\n", encoding="utf-8")
    imports = "\n".join(f'import _ "{package}"' for package in job.packages)
    (work / "tools.go").write_text(f"//go:build tools\n\npackage build\n\n{imports}\n", "utf-8")


def _module(command: str, work: Path, job: Job) -> Path:
    """Return where Go keeps the first module's files."""
    (name, _), *_ = job.requires
    return Path(_run([command, "list", "-m", "-f", "{{.Dir}}", name], work).strip())


def _compiler() -> dict[str, str]:
    """Return what has Go compile C by the locked compiler, for this machine without its libc."""
    target = f"{platform.machine()}-linux-musl"
    return {"CGO_ENABLED": "1", "CC": f"{sys.executable} -m ziglang cc -target {target}"}


def _run(command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> str:
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
        **(more or {}),
    }
    ran = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if ran.returncode:
        tail = "\n".join(ran.stderr.splitlines()[-8:])
        raise SystemExit(f"{' '.join(command[:3])} failed:\n{tail}")
    return ran.stdout
