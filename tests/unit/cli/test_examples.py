"""Every file of examples/ loads, every pod of it resolves, and the table names every file."""

from __future__ import annotations

from pathlib import Path

import pytest

from polypod.cli import offline
from polypod.cli.options import Place
from polypod.engine import preview
from polypod.kube.manifests import ManifestSource

EXAMPLES = Path(__file__).parents[3] / "examples"
PODS = {(pod.namespace, pod.name) for pod in ManifestSource(EXAMPLES).pods()}


def test_every_file_loads_without_a_problem() -> None:
    source = ManifestSource(EXAMPLES)

    assert source.problems() == ()
    assert len(source.pods()) >= 12


@pytest.mark.parametrize(("namespace", "name"), sorted(PODS))
@pytest.mark.parametrize("node", ["alpha", "beta"])
def test_every_pod_resolves(namespace: str, name: str, node: str) -> None:
    primary = EXAMPLES / "primary" / f"{node}.conflist"
    doors = offline.looking(Place(manifests=EXAMPLES, primary=primary))

    lines = list(preview.lines(namespace, name, doors))

    assert any("eth0" in line for line in lines)
    assert any("net1" in line for line in lines)


def test_the_table_names_every_file() -> None:
    told = (EXAMPLES / "README.md").read_text()

    assert [path.name for path in EXAMPLES.glob("*.yaml") if f"`{path.name}`" not in told] == []
