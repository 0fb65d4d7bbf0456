"""What tests of verbs share: a cluster that can be asked what it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.served import named_by


@dataclass
class SmallCluster:
    """One Talos node with Cilium; it refuses everything when told to."""

    kubeconfig: Path
    asked: list[str] = field(default_factory=list[str])
    code: int = 200
    system: str = "Talos (v1.13.2)"

    def answer(self, path: str) -> tuple[int, bytes]:
        self.asked.append(path)
        item: dict[str, Any] = {"metadata": {"name": "cilium", "namespace": "kube-system"}}
        if "nodes" in path:
            system = {"osImage": self.system, "kubeletVersion": "v1.34.1"}
            item = {"metadata": {"name": "n"}, "status": {"nodeInfo": system}}
        return self.code, json.dumps({"items": [item]}).encode()


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallCluster]:
    """Serve a cluster, and make it the one that kubectl would ask."""
    made = SmallCluster(tmp_path / "config")

    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    with named_by(made.kubeconfig, made.answer):
        yield made
