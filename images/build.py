"""Builds the agent's container image for one architecture: a root folder, an SBOM, an OCI archive.

The root folder is unpacked from the distribution's packages (nothing of them is run, so that any
architecture can be made on any other), plus the wheel and its locked dependencies.
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import sbom
import start

ROOT = Path(__file__).resolve().parents[1]
WORK = ROOT / "build" / "image"
RELEASE = "bookworm"
PYTHON = "3.11"
PACKAGES = (
    f"libpython{PYTHON}-stdlib",
    "python3-minimal",
    "nftables",
    "ca-certificates",
)
UNWANTED = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/lintian"),
    *("usr/share/perl5", "usr/share/debconf", "usr/share/bash-completion", "usr/share/info"),
    *("usr/lib/dpkg", "usr/share/dpkg", "var/cache", "etc/apt", "var/lib/apt", "usr/sbin/dpkg-*"),
    *("usr/bin/dpkg*", "usr/bin/debconf*", "usr/bin/update-alternatives", "usr/bin/c_rehash"),
    *("usr/bin/openssl", "usr/bin/py3*", "usr/sbin/update-*", "var/lib/dpkg", "usr/lib/*/gconv"),
    "usr/lib/python3/dist-packages/bin",  # pip's program; finish() writes the image's own
    *(f"usr/lib/python{PYTHON}/{name}" for name in ("lib2to3", "pydoc_data", "idlelib", "test")),
)
ARCHITECTURES = {"amd64": "manylinux2014_x86_64", "arm64": "manylinux2014_aarch64"}
NAME = "localhost/polypod:0.1.0"
EPOCH = "0"


def main(words: list[str]) -> int:
    """Build one image; return the exit code."""
    options = argparse.ArgumentParser(prog="./dev image", description=__doc__)
    options.add_argument("--arch", choices=sorted(ARCHITECTURES), default=machine())
    options.add_argument("--start", action="store_true", help="start what it holds, once")
    chosen = options.parse_args(words)
    missing = [name for name in ("mmdebstrap", "buildah") if shutil.which(name) is None]
    if missing or os.geteuid() != 0:
        print(
            f"image: root and {' and '.join(missing or ['root'])} are needed"
            " (Debian: apt-get install buildah mmdebstrap)",
            file=sys.stderr,
        )
        return 1
    build(chosen.arch)
    if chosen.start:
        native = chosen.arch == machine()
        for line in start.start(WORK / chosen.arch / "root", chosen.arch, native=native):
            say(line)
    return 0


def machine() -> str:
    """Return this machine's architecture in the distribution's words."""
    return {"x86_64": "amd64", "aarch64": "arm64"}[os.uname().machine]


def build(arch: str) -> None:
    """Build the image of an architecture into build/image/ARCH."""
    folder = WORK / arch
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    root = folder / "root"
    say(f"packages of {RELEASE} for {arch}")
    unpack(root, arch)
    bill = folder / "sbom.spdx.json"
    say("Polypod and its locked dependencies")
    place_python(root, arch)
    sbom.write(bill, root, NAME)
    prune(root, arch)
    finish(root, bill)
    say("image")
    archive = pack(folder, arch)
    say(f"{archive.relative_to(ROOT)}: {archive.stat().st_size / 2**20:.1f} MiB")


def say(text: str) -> None:
    """Say what happens now."""
    print(f"-> {text}", file=sys.stderr)


def run(command: list[str], folder: Path = ROOT) -> str:
    """Run a command; its end is shown when it fails."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"SOURCE_DATE_EPOCH": EPOCH},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(f"{command[0]} failed:\n{(ran.stdout + ran.stderr)[-2000:]}")
    return ran.stdout


def unpack(root: Path, arch: str) -> None:
    """Unpack the distribution's packages, without running anything of them."""
    run(
        [
            *("mmdebstrap", "--mode=root", "--variant=extract", "--format=directory"),
            "--skip=essential/unlink,cleanup/apt",  # the packages stay until the SBOM has them
            f"--architectures={arch}",
            f"--include={','.join(PACKAGES)}",
            *(RELEASE, str(root)),
        ]
    )


def place_python(root: Path, arch: str) -> None:
    """Put the wheel and its dependencies where the image's Python finds them."""
    target = root / "usr/lib/python3/dist-packages"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    place = ["--target", str(target), "--no-deps", "--no-compile", "--upgrade"]
    wanted = ["--platform", ARCHITECTURES[arch], "--python-version", PYTHON]
    wanted += ["--implementation", "cp", "--only-binary", ":all:"]
    locked = ["--require-hashes", "-r", str(ROOT / "requirements/runtime.txt")]
    run([*pip, *place, *wanted, *locked])
    wheels = WORK / arch / "wheel"
    build_wheel = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    run([*build_wheel, str(wheels), str(ROOT)])
    (wheel,) = wheels.glob("*.whl")
    run([*pip, *place, str(wheel)])


def prune(root: Path, arch: str) -> None:
    """Take away what an agent never uses: documents, the package manager, other shims."""
    shims = (root / start.PACKAGES / "shim").iterdir()
    others = [str(path.relative_to(root)) for path in shims if path.name != start.SHIMS[arch]]
    for pattern in (*UNWANTED, *others):
        for path in root.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def finish(root: Path, bill: Path) -> None:
    """Write the program, compile all modules to bytecode that depends on nothing, add the SBOM."""
    shutil.rmtree(root / "dev")  # the runtime makes its own
    for name in ("run", "proc", "sys", "dev", "tmp", "host"):
        (root / name).mkdir(exist_ok=True)
    program = root / "usr/bin/polypod"
    program.write_text(
        "#!/usr/bin/python3 -I\nimport sys\nfrom polypod.cli.main import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    (root / "etc/passwd").write_text("root:x:0:0:root:/:/sbin/nologin\n")
    certificates = sorted((root / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = root / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(path.read_bytes() for path in certificates))
    for folder in (f"usr/lib/python{PYTHON}", "usr/lib/python3/dist-packages"):
        compileall.compile_dir(
            root / folder,
            quiet=2,
            stripdir=str(root),
            prependdir="/",
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    shutil.copy2(bill, root / "usr/share/polypod.spdx.json")


def pack(folder: Path, arch: str) -> Path:
    """Build the image with buildah and return its OCI archive."""
    shutil.copy2(Path(__file__).with_name("Dockerfile"), folder / "Dockerfile")
    archive = folder / "polypod.tar"
    tag = f"{NAME}-{arch}"  # two architectures may be built at the same time
    run(
        [
            *("buildah", "build", "--isolation", "chroot", "--layers=false", "--format", "oci"),
            *("--timestamp", EPOCH, "--arch", arch, "--tag", tag, "--file", "Dockerfile", "."),
        ],
        folder,
    )
    run(["buildah", "push", tag, f"oci-archive:{archive}:{NAME}"], folder)
    run(["buildah", "rmi", "--force", tag], folder)
    return archive


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
