"""Rows of the page that no rule decides on: they hold wherever their section has a subject."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from polypod.doctor.facts import Facts
from polypod.doctor.page import Row
from polypod.doctor.rules import definitions, node, pods, settings, workloads
from polypod.errors import PolypodError
from polypod.nad.devices import wanted_resource
from polypod.plugins import PLUGINS

DECIDED = frozenset((*definitions.ROWS, *node.ROWS, *pods.ROWS, *settings.ROWS, *workloads.ROWS))
"""Rows that a rule decides on: they apply where that rule says so, and nowhere else."""
_ALWAYS = (
    "What plugins are told",
    "ADD",
    "DEL",
    "CHECK, STATUS, GC",
    "network-status",
    "Events",
)


def holding(facts: Facts, rows: Sequence[Row]) -> tuple[Row, ...]:
    """Return the undecided rows of every section that has a subject in this cluster."""
    sections = frozenset(_sections(facts))
    return tuple(row for row in rows if row.section in sections and row.here not in DECIDED)


def _sections(facts: Facts) -> Iterator[str]:
    yield from _ALWAYS
    if any(pods.NETWORKS in pod.annotations for pod in facts.pods):
        yield "The annotation"
    if facts.settings:
        yield "What the operator sets"
    if any(wanted_resource(definition) for definition in facts.definitions):
        yield "Devices"
    if any('"default-route"' in pod.annotations.get(pods.NETWORKS, "") for pod in facts.pods):
        yield "The default route"
    used = set(_used(facts))
    if used & set(PLUGINS):
        yield "All of them"
        yield "Lists of plugins"
    for section in ("bridge", "tuning", "host-local"):
        if section in used:
            yield section
    if used & {"macvlan", "ipvlan"}:
        yield "macvlan, ipvlan"


def _used(facts: Facts) -> Iterator[str]:
    for definition in facts.definitions:
        try:
            network = definitions.parse(definition)
        except PolypodError:
            continue
        if network is not None:
            yield from definitions.types(network)
