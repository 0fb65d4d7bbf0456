"""The security page names everything that the manifests give the agent, with its verbs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polypod.install import agent, rbac
from polypod.install.platforms import PLATFORMS
from polypod.install.values import Values

PAGE = (Path(__file__).parents[3] / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("|")]
ROLES: tuple[Any, ...] = (rbac.cluster_role(Values()), rbac.own_role(Values()))
GRANTED = [
    (resource, tuple(rule["verbs"]))
    for role in ROLES
    for rule in role["rules"]
    for resource in rule["resources"]
]


@pytest.mark.parametrize(("resource", "verbs"), GRANTED)
def test_every_right_has_a_row_with_its_verbs(resource: str, verbs: tuple[str, ...]) -> None:
    (row,) = [row for row in ROWS if row.startswith(f"| `{resource}`")]

    assert row.split("|")[2].strip() == ", ".join(verbs)


def test_no_right_is_named_that_is_not_given() -> None:
    table = PAGE.partition("| At the API server |")[2].partition("\n\n")[0]

    named = [line for line in table.splitlines() if line.startswith("| `")]

    assert len(named) == len(GRANTED)


def test_every_capability_has_a_row() -> None:
    for name in agent.CAPABILITIES:
        assert any(row.startswith(f"| `{name}`") for row in ROWS)


@pytest.mark.parametrize("name", sorted(PLATFORMS))
def test_every_folder_of_the_node_has_a_row(name: str) -> None:
    platform = PLATFORMS[name]
    found: Any = agent.daemon_set(Values(platform=platform))
    told = " ".join(ROWS)

    paths = {
        volume["hostPath"]["path"]
        for volume in found["spec"]["template"]["spec"]["volumes"]
        if "hostPath" in volume
    }

    own = {platform.cni_bin, platform.cni_conf, platform.runtime_socket}  # told as what they are
    assert [path for path in sorted(paths - own) if f"`{path}`" not in told] == []


def test_what_the_page_says_is_taken_away_is_taken_away() -> None:
    found: Any = agent.daemon_set(Values())
    pod = found["spec"]["template"]["spec"]
    context = pod["containers"][0]["securityContext"]

    assert context["capabilities"]["drop"] == ["ALL"]
    assert context["readOnlyRootFilesystem"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert "privileged" not in context and "hostPID" not in pod
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert context["appArmorProfile"] == {"type": "Unconfined"}
    assert context["seLinuxOptions"] == {"type": "spc_t"}
