"""Builds the cluster's programs from their Go modules, each once: the cache outlives checkouts.

On two cores Kubernetes takes 7 minutes, the reference plugins 15 seconds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
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
    """Modules that a main module keeps in folders of its own, and the release to take instead."""

    @property
    def programs(self) -> tuple[Path, ...]:
        """Return what is built."""
        return tuple(self.folder / package.rpartition("/")[2] for package in self.packages)

    @property
    def is_done(self) -> bool:
        """Tell whether everything is in the cache."""
        return all(program.exists() for program in self.programs)


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


def kubernetes() -> Job:
    """Return the job that builds the control plane and the node's programs."""
    release = f"v{versions.KUBERNETES}"
    module = "k8s.io/kubernetes"
    _, minor, patch = versions.KUBERNETES.split(".")
    version = "k8s.io/component-base/version"
    flags = {"gitVersion": release, "gitMajor": "1", "gitMinor": minor}
    return Job(
        folder=versions.kubernetes(),
        requires=((module, release),),
        packages=tuple(f"{module}/cmd/{command}" for command in versions.COMMANDS),
        stamp=" ".join(f"-X {version}.{name}={value}" for name, value in flags.items()),
        replaces=()
        if _is_built(versions.kubernetes(), versions.COMMANDS)
        else _staging(module, release, f"v0.{minor}.{patch}"),
    )


def reference_plugins() -> Job:
    """Return the job that builds the plugins that ours are compared with."""
    module = "github.com/containernetworking/plugins"
    return Job(
        folder=versions.reference_plugins(),
        requires=((module, f"v{versions.PLUGINS}"),),
        packages=tuple(
            f"{module}/plugins/{kind}/{name}"
            for kind, names in versions.REFERENCE.items()
            for name in names
        ),
    )


def cnitool() -> Job:
    """Return the job that builds the specification's own caller."""
    module = "github.com/containernetworking/cni"
    return Job(
        folder=versions.tools(),
        requires=((module, f"v{versions.CNI}"),),
        packages=(f"{module}/cnitool",),
    )


def helm() -> Job:
    """Return the job that builds Helm."""
    module = "helm.sh/helm/v4"
    return Job(
        folder=versions.tools(),
        requires=((module, f"v{versions.HELM}"),),
        packages=(f"{module}/cmd/helm",),
    )


def containerd() -> Job:
    """Return the job that builds a containerd that has NRI."""
    module = "github.com/containerd/containerd/v2"
    commands = ("containerd", "containerd-shim-runc-v2", "ctr")
    return Job(
        folder=versions.containerd(),
        requires=((module, f"v{versions.CONTAINERD}"),),
        packages=tuple(f"{module}/cmd/{command}" for command in commands),
    )


def multus() -> Job:
    """Return the job that builds the reference meta-plugin, thin."""
    module = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
    return Job(
        folder=versions.multus(),
        requires=((module, f"v{versions.MULTUS}"),),
        packages=(f"{module}/cmd/multus",),
    )


def multus_thick() -> Job:
    """Return the job that builds the reference meta-plugin's daemon, and what the runtime calls."""
    module = "gopkg.in/k8snetworkplumbingwg/multus-cni.v4"
    return Job(
        folder=versions.multus(),
        requires=((module, f"v{versions.MULTUS}"),),
        packages=(f"{module}/cmd/multus-daemon", f"{module}/cmd/multus-shim"),
    )


JOBS = {
    "kubernetes": kubernetes,
    "plugins": reference_plugins,
    "cnitool": cnitool,
    "helm": helm,
    "containerd": containerd,
    "multus": multus,
    "multus-thick": multus_thick,
}


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
        _run([command, "mod", "tidy"], work)
        flags = f"-s -w {job.stamp}".strip()
        fresh = work / "out"
        fresh.mkdir()
        _run(
            [command, "build", "-trimpath", "-ldflags", flags, "-o", f"{fresh}/", *job.packages],
            work,
        )
        job.folder.mkdir(parents=True, exist_ok=True)
        for program in fresh.iterdir():
            placed = job.folder / f".{program.name}.new"
            shutil.copy2(program, placed)
            placed.replace(job.folder / program.name)


def _is_built(folder: Path, names: Sequence[str]) -> bool:
    return all((folder / name).exists() for name in names)


def _staging(module: str, release: str, published: str) -> tuple[tuple[str, str], ...]:
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


def _run(command: list[str], folder: Path) -> str:
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
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
