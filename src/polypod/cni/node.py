"""The node's configuration folder: whose file is the primary's, and what ours says.

The runtime takes the first file by name. Ours sorts before every known primary, calls the shim,
and carries the primary's version and capabilities, without which host ports would vanish.
"""

from __future__ import annotations

from collections.abc import Mapping

from polypod.cni import encode, fields, lists
from polypod.errors import PolypodError

OURS = "00-polypod.conflist"
SUFFIXES = (".conf", ".conflist", ".json")
META_PLUGINS = frozenset({"multus", "multus-shim", "polypod"})
"""Types that would call each other for ever."""


def is_configuration(name: str) -> bool:
    """Tell whether a runtime would read a file of this name."""
    return name.endswith(SUFFIXES) and not name.startswith(".")


def choose(files: Mapping[str, bytes]) -> tuple[str, lists.NetworkList] | None:
    """Return the primary's file and what it says; None when there is none that can be used."""
    for name in sorted(files):
        if name == OURS or not is_configuration(name):
            continue
        try:
            found = lists.parse_list(files[name])
        except PolypodError:
            continue
        if not any(fields.text(plugin, "type") in META_PLUGINS for plugin in found.plugins):
            return name, found
    return None


def capabilities(primary: lists.NetworkList) -> dict[str, bool]:
    """Return every capability that one of the primary's plugins declares."""
    found: dict[str, bool] = {}
    for plugin in primary.plugins:
        declared = fields.table(plugin, "capabilities") or {}
        found |= {name: True for name, value in declared.items() if value is True}
    return dict(sorted(found.items()))


def render(primary: lists.NetworkList) -> bytes:
    """Return our configuration list for a node with this primary."""
    plugin: dict[str, object] = {"type": "polypod"}
    declared = capabilities(primary)
    if declared:
        plugin["capabilities"] = declared
    listed: dict[str, object] = {
        "cniVersion": primary.cni_version,
        "name": "polypod",
        "plugins": [plugin],
    }
    return encode.pretty(listed) + b"\n"


def stolen(names: Mapping[str, bytes]) -> str:
    """Return the name under which somebody put our file aside, empty when nobody did."""
    return next((name for name in sorted(names) if name.startswith(f"{OURS}.")), "")
