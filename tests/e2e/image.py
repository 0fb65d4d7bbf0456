"""An image without a registry: one static program, in an archive that `ctr images import` takes."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

SOURCE = Path(__file__).with_name("pod.c")
OCI = "application/vnd.oci.image"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def program(target: Path) -> Path:
    """Compile the image's program, static, by the compiler that PyPI has."""
    triple = f"{platform.machine()}-linux-musl"
    flags = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Os", "-static", "-s"]
    command = [sys.executable, "-m", "ziglang", "cc", "-target", triple, *flags]
    subprocess.run([*command, "-o", str(target), str(SOURCE)], check=True, timeout=120)
    return target


def archive(executable: Path, name: str, target: Path) -> Path:
    """Write the archive of an image whose one file, /pod, is what it runs."""
    layer = _tar({"pod": (executable.read_bytes(), 0o755)})
    blobs: dict[str, bytes] = {}
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {"Entrypoint": ["/pod"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{OCI}.manifest.v1+json",
        "config": _blob(blobs, f"{OCI}.config.v1+json", _json(config)),
        "layers": [_blob(blobs, f"{OCI}.layer.v1.tar", layer)],
    }
    entry = _blob(blobs, f"{OCI}.manifest.v1+json", _json(manifest))
    entry["annotations"] = {"io.containerd.image.name": name}
    files = {
        "oci-layout": (_json({"imageLayoutVersion": "1.0.0"}), 0o644),
        "index.json": (_json({"schemaVersion": 2, "manifests": [entry]}), 0o644),
    }
    files |= {f"blobs/sha256/{key[7:]}": (blob, 0o644) for key, blob in blobs.items()}
    target.write_bytes(_tar(files))
    return target


def _blob(blobs: dict[str, bytes], kind: str, content: bytes) -> dict[str, object]:
    digest = _digest(content)
    blobs[digest] = content
    return {"mediaType": kind, "digest": digest, "size": len(content)}


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive_file:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive_file.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
