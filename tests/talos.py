"""Checks documents of Talos machine configuration against the reduced schemas in tests/data/."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import schema

FOLDER = Path(__file__).parent / "data" / "talos"
SCHEMA_OF: Mapping[str, str] = {
    "1.9": "1.11",
    "1.10": "1.11",
    "1.11": "1.11",
    "1.12": "1.12",
    "1.13": "1.13",
    "1.14": "1.14",
}
"""The schema for each release that is rendered for."""


def faults(document: Mapping[str, Any], release: str) -> list[str]:
    """Return what a release would not read in a document."""
    root = json.loads((FOLDER / f"{SCHEMA_OF[release]}.json").read_text(encoding="utf-8"))
    wanted = document.get("kind")
    for part in root["oneOf"]:
        kind = root["$defs"][part["$ref"].rpartition("/")[2]]
        names = kind["properties"].get("kind", {}).get("enum", [None])
        if wanted in names:
            return schema.faults(document, part, root)
    return [f"Talos {release} has no document {wanted}"]
