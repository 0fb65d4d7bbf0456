"""Pure rules: facts in, findings out. One file for each kind of thing that a switch concerns."""

from __future__ import annotations

from collections.abc import Callable

from polypod.doctor.facts import Facts
from polypod.doctor.finding import Finding
from polypod.doctor.rules import definitions, node, pods, settings, workloads

Rule = Callable[[Facts], tuple[Finding, ...]]
RULES: tuple[Rule, ...] = (
    settings.judge,
    workloads.judge,
    definitions.judge,
    pods.judge,
    node.judge,
)


def judge(facts: Facts) -> tuple[Finding, ...]:
    """Return what every rule says."""
    return tuple(finding for rule in RULES for finding in rule(facts))
