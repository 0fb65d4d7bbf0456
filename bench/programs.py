"""The programs that are measured or that measure: compiled here, into build/bench.

The C compiler is the distribution's, or else the one that the shim is built with. The reference
plugins need Go; without it what compares with them is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "bench"
MODULE = "github.com/containernetworking/plugins"
VERSION = "v1.9.1"
PACKAGES = ("plugins/main/bridge", "plugins/main/macvlan", "plugins/ipam/host-local")


class MeasureError(Exception):
    """A program that is measured failed, so there is nothing to measure."""


def compiled(name: str) -> Path:
    """Return the program made of bench/NAME.c."""
    source, target = HERE / f"{name}.c", BUILD / name
    if target.exists() and target.stat().st_mtime > source.stat().st_mtime:
        return target
    BUILD.mkdir(parents=True, exist_ok=True)
    cc = [shutil.which("cc")] if shutil.which("cc") else [sys.executable, "-m", "ziglang", "cc"]
    flags = ("-O2", "-std=gnu11", "-Wall", "-Wextra", "-pthread")
    _run([*map(str, cc), *flags, "-o", str(target), str(source)])
    return target


def reference() -> Path | None:
    """Return the folder of the reference plugins, built on first use; None without Go."""
    folder = BUILD / f"reference-{VERSION}"
    if all((folder / Path(package).name).exists() for package in PACKAGES):
        return folder
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        return None
    print("-> building the reference plugins", file=sys.stderr)
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GO111MODULE": "on"}
    wanted = [f"{MODULE}/{package}" for package in PACKAGES]
    with tempfile.TemporaryDirectory() as module:
        for words in (
            ("mod", "init", "bench"),
            ("get", *(f"{package}@{VERSION}" for package in wanted)),
            ("build", "-trimpath", "-ldflags=-s -w", "-o", f"{folder}/", *wanted),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            _run([go, *words], cwd=module, env=environment)
    return folder


def _run(words: Sequence[str], **how: object) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False, **how)  # type: ignore[call-overload]
    if done.returncode:
        raise MeasureError(f"{' '.join(words[:3])}: {done.stderr.strip() or done.stdout.strip()}")
    return str(done.stdout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One program to start for one pod."""

    pod: int
    words: tuple[str, ...]
    stdin: str
    environment: Mapping[str, str]

    def line(self) -> str:
        """Return it as drive.c reads it."""
        pairs = [f"{key}={value}" for key, value in self.environment.items()]
        return "\t".join(
            (str(self.pod), str(len(self.words)), *self.words, self.stdin or "/dev/null", *pairs)
        )


@dataclass(frozen=True, slots=True)
class Driven:
    """What starting the jobs took."""

    wall_ms: float
    pod_ms: list[float]


def drive(jobs: Sequence[Job], *, concurrency: int, repeat: int = 1) -> Driven:
    """Start programs, pods side by side, and take the time.

    Raises:
        MeasureError: one of them failed.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".jobs") as file:
        file.write("".join(f"{job.line()}\n" for job in sorted(jobs, key=lambda j: j.pod)))
        file.flush()
        told = json.loads(_run([str(compiled("drive")), str(concurrency), str(repeat), file.name]))
    return Driven(told["wall_ms"], told["pod_ms"])


def floor_attach(cycles: int, bridge: str, netns: str) -> dict[str, float]:
    """Return the C program's medians for one pair on a bridge."""
    told = _run([str(compiled("floor")), "attach", str(cycles), bridge, netns])
    return dict(json.loads(told))


@dataclass(frozen=True, slots=True)
class Floor:
    """The C program's times for many pods."""

    add_wall_ms: float
    del_wall_ms: float
    add_ms: list[float]
    del_ms: list[float]


def floor_pods(
    concurrency: int, parent: str, bridges: tuple[str, str], paths: Sequence[str]
) -> Floor:
    """Return the C program's times for pods with four links each."""
    words = [str(compiled("floor")), "pods", str(concurrency), parent, *bridges, *paths]
    return Floor(**json.loads(_run(words)))
