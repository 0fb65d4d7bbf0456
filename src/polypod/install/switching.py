"""Manifests of a switch from Multus: the agent with the settings that are kept, and one-shot pods.

`polypod migrate --out` writes them; what is kept is decided in doctor/cutover.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from polypod.install import agent, render, settings, uninstall
from polypod.install.render import Object
from polypod.install.values import Values

HEAD = "# Written by `polypod migrate`; do not edit, write it again.\n"
OWN_VALUES = frozenset({"namespaceIsolation", "globalNamespaces", "logLevel", "binDir"})
"""Keys that are values of their own."""


def plain(values: Values, kept: Mapping[str, object]) -> str:
    """Return the agent's manifests with the settings that are kept."""
    config = {key: value for key, value in kept.items() if key not in OWN_VALUES}
    told = replace(values, config=config)
    seen = replace(told, host_paths=settings.folders(config, agent.mounted(told)))
    return HEAD + render.text(thing for part in render.objects(seen).values() for thing in part)


def once(values: Values, name: str, verb: str) -> str:
    """Return a DaemonSet that runs `polypod migrate VERB` once on every node."""
    arguments = ("migrate", verb, f"--conf-dir={values.platform.cni_conf}")
    thing = uninstall.once(values, name, arguments)
    return HEAD + render.text([agent.namespace(values), thing])


def uninstaller(values: Values) -> str:
    """Return what frees the rest on the way back, once pods of ours have ended."""
    return uninstall.plain(values, purge=True, unless_used=True)


def saved(document: Object) -> str:
    """Return a workload as it can be applied again."""
    return HEAD + render.text([document])
