"""Container images without a registry: OCI archives that `ctr images import` takes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PAUSE = "polypod.test/pause:1"
BUSYBOX = "polypod.test/busybox:1"
APPLETS = ("sh", "ip", "ping", "cat", "ls", "sleep", "wget", "nc", "httpd", "hostname")
KIND = "application/vnd.oci.image"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image with one layer."""

    name: str
    files: Mapping[str, bytes]
    """Executables, by path without the leading slash."""
    links: Mapping[str, str] = field(default_factory=dict[str, str])
    command: tuple[str, ...] = ()


def archives(folder: Path) -> list[Path]:
    """Write the archives of the test images unless they are there; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for image in (_pause(), _busybox()):
        path = folder / f"{image.name.split('/')[1].split(':')[0]}.tar"
        if not path.exists():
            write(image, path)
        found.append(path)
    return found


def write(image: Image, target: Path) -> None:
    """Write one image as an OCI archive."""
    layer = _layer(image)
    blobs: dict[str, bytes] = {}
    config = {
        "architecture": MACHINES[platform.machine()],
        "os": "linux",
        "config": {"Cmd": list(image.command), "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{KIND}.manifest.v1+json",
        "config": _blob(blobs, f"{KIND}.config.v1+json", _json(config)),
        "layers": [_blob(blobs, f"{KIND}.layer.v1.tar+gzip", gzip.compress(layer, 1, mtime=0))],
    }
    entry = _blob(blobs, f"{KIND}.manifest.v1+json", _json(manifest))
    entry["annotations"] = {"io.containerd.image.name": image.name}
    content = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "manifests": [entry]}),
    }
    content |= {f"blobs/sha256/{digest[7:]}": blob for digest, blob in blobs.items()}
    with tarfile.open(target, "w") as archive:
        for name, member in content.items():
            _add(archive, name, member, 0o644)


def _busybox() -> Image:
    found = shutil.which("busybox")
    if found is None:
        raise SystemExit("the cluster's test image needs busybox (Debian: busybox-static)")
    return Image(
        name=BUSYBOX,
        files={"bin/busybox": Path(found).read_bytes()},
        links={f"bin/{name}": "busybox" for name in APPLETS},
        command=("/bin/sleep", "infinity"),
    )


def _pause() -> Image:
    """Return the sandbox's image: an init that reaps, and ends at once when it is told to."""
    busybox = _busybox()
    script = b"#!/bin/sh\ntrap 'exit 0' TERM INT\nwhile :; do sleep 3600 & wait $!; done\n"
    return Image(
        name=PAUSE,
        files={**busybox.files, "pause": script},
        links=busybox.links,
        command=("/pause",),
    )


def _layer(image: Image) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        for folder in sorted({str(Path(name).parent) for name in (*image.files, *image.links)}):
            if folder != ".":
                entry = tarfile.TarInfo(folder)
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                layer.addfile(entry)
        for name, content in image.files.items():
            _add(layer, name, content, 0o755)
        for name, target in image.links.items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            layer.addfile(entry)
    return out.getvalue()


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _blob(blobs: dict[str, bytes], kind: str, content: bytes) -> dict[str, object]:
    digest = _digest(content)
    blobs[digest] = content
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
