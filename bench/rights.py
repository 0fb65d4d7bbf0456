"""What the rendered manifest lets an agent do: counted, since every right is one to defend."""

from __future__ import annotations

from typing import Any

from bench.report import Figure
from polypod.install import agent, rbac
from polypod.install.values import Values


def measure() -> list[Figure]:
    """Return the figures."""
    roles: list[Any] = [rbac.cluster_role(Values()), rbac.own_role(Values())]
    rules = [rule for role in roles for rule in role["rules"]]
    words = [
        (resource, verb)
        for rule in rules
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    return [
        Figure(name="rights in the manifest, a verb on a resource", ours=len(words), unit=""),
        Figure(
            name="  of them with a wildcard",
            ours=sum("*" in pair for pair in words),
            unit="",
            at_most=0,
        ),
        Figure(
            name="  that write: create, update, patch or delete",
            ours=sum(verb not in {"get", "list", "watch"} for _, verb in words),
            unit="",
        ),
        Figure(name="capabilities", ours=len(agent.CAPABILITIES), unit=""),
    ]
