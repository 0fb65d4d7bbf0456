"""What is in the image, as SPDX 2.3: the distribution's packages and the Python ones."""

from __future__ import annotations

import email
import hashlib
import json
import subprocess
from pathlib import Path


def write(target: Path, root: Path, name: str) -> None:
    """Write the bill of a root folder, before its package lists are taken away."""
    packages = [*_debian(root), *_python(root)]
    digest = hashlib.sha256(json.dumps(packages, sort_keys=True).encode()).hexdigest()
    content = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": name,
        "documentNamespace": f"urn:polypod:sbom:{digest}",
        "creationInfo": {"created": "1970-01-01T00:00:00Z", "creators": ["Tool: polypod-image"]},
        "packages": packages,
        "documentDescribes": [package["SPDXID"] for package in packages],
    }
    target.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _debian(root: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for path in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        command = ["dpkg-deb", "--field", str(path), "Package", "Version", "Architecture"]
        ran = subprocess.run(command, capture_output=True, text=True, check=True)
        fields = email.message_from_string(ran.stdout)
        name, version, arch = fields["Package"], fields["Version"], fields["Architecture"]
        found.append(_package(name, version, f"pkg:deb/debian/{name}@{version}?arch={arch}"))
    return found


def _python(root: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for path in (root / "usr/lib/python3/dist-packages").glob("*.dist-info/METADATA"):
        fields = email.message_from_string(path.read_text(encoding="utf-8"))
        name, version = fields["Name"], fields["Version"]
        found.append(_package(name, version, f"pkg:pypi/{name.lower()}@{version}"))
    return sorted(found, key=lambda package: str(package["name"]))


def _package(name: str, version: str, purl: str) -> dict[str, object]:
    kind = purl.partition("/")[0].removeprefix("pkg:")
    return {
        "SPDXID": f"SPDXRef-{kind}-{name.replace('_', '-').replace('+', '-plus')}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl,
            }
        ],
    }
