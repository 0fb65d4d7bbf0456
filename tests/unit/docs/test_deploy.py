"""deploy/ holds the manifests that are rendered now, all of them and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from docs.generate import deploy

from polypod.install.platforms import PLATFORMS

FOLDER = Path(__file__).parents[3] / "deploy"
FILES = deploy.files()


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_committed_manifest_is_what_is_rendered_now(name: str) -> None:
    committed = (FOLDER / name).read_text(encoding="utf-8")

    assert committed == FILES[name], "the manifest is stale: call ./dev docs"


def test_there_is_nothing_else() -> None:
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}

    assert there == {*FILES, "README.md"}


def test_every_platform_has_its_manifests() -> None:
    for name in PLATFORMS:
        kinds = [thing["kind"] for thing in yaml.safe_load_all(FILES[f"yaml/{name}.yaml"])]
        assert kinds[0] == "Namespace" and kinds[-1] == "DaemonSet"
        assert f"helm/polypod/values-{name}.yaml" in FILES


def test_the_chart_takes_the_values_that_its_schema_knows() -> None:
    schema: Any = yaml.safe_load(FILES["helm/polypod/values.schema.json"])
    known = schema["properties"].keys()

    for name, text in FILES.items():
        if name.startswith("helm/polypod/values") and name.endswith(".yaml"):
            assert not yaml.safe_load(text).keys() - known
