"""Helm renders from the committed chart what `deploy/yaml` has, for every platform."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from cluster import build, jobs, versions

from polypod.install.platforms import PLATFORMS

DEPLOY = Path(__file__).parents[2] / "deploy"
CHART = DEPLOY / "helm" / "polypod"
NOT_A_CHARTS = {"Namespace", "CustomResourceDefinition"}


def helm(*words: str) -> str:
    build.build(jobs.helm())
    command = [str(versions.tools() / "helm"), *words]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def settled(thing: Any) -> Any:
    """Return an object with its settings as values: Helm writes the same YAML in other words."""
    if thing["kind"] == "ConfigMap":
        thing["data"] = {key: yaml.safe_load(text) for key, text in thing["data"].items()}
    template = thing.get("spec", {}).get("template", {})
    # A checksum of the settings' text, so that a change of them restarts the agents.
    sums = template.get("metadata", {}).get("annotations", {})
    assert all(re.fullmatch("[0-9a-f]{16}", sums.pop(key)) for key in [*sums])
    return thing


def by_name(text: str) -> dict[tuple[str, str], Any]:
    found = [thing for thing in yaml.safe_load_all(text) if thing]
    return {(thing["kind"], thing["metadata"]["name"]): settled(thing) for thing in found}


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_the_chart_says_what_the_plain_manifests_say(name: str) -> None:
    values = str(CHART / f"values-{name}.yaml")

    charted = by_name(helm("template", "polypod", str(CHART), "-n", "polypod-system", "-f", values))

    plain = by_name((DEPLOY / "yaml" / f"{name}.yaml").read_text(encoding="utf-8"))
    assert charted == {key: thing for key, thing in plain.items() if key[0] not in NOT_A_CHARTS}


def test_the_chart_has_no_fault_that_helm_finds() -> None:
    assert "0 chart(s) failed" in helm("lint", str(CHART))


def test_a_value_that_is_not_known_is_refused() -> None:
    with pytest.raises(AssertionError, match="colour"):
        helm("template", "polypod", str(CHART), "--set", "colour=red")
