"""Chained plugins that a pod gives nothing to do: they would print what they are told.

Most pods have no host port and no limit of bandwidth, and most clusters chain portmap for those
that have. Both plugins then hand their prevResult on, and their DEL removes nothing; starting one
for that takes longer than attaching a network (docs/adr/0030).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from polypod.cni import fields

_RATES: Final = ("ingressRate", "ingressBurst", "egressRate", "egressBurst")


def is_idle(config: Mapping[str, object]) -> bool:
    """Tell whether a plugin that is not the first of its chain would only hand the result on.

    What is written in a way that the plugin might complain of is the plugin's to judge.

    Raises:
        DecodeError: `runtimeConfig` is no object.
    """
    told = fields.table(config, "runtimeConfig") or {}
    match fields.text(config, "type"):
        case "portmap":
            return fields.get(told, "portMappings") in (None, [])
        case "bandwidth":
            is_static = any(fields.name_of(config, key) is not None for key in _RATES)
            return not is_static and fields.get(told, "bandwidth") in (None, {})
        case _:
            return False
