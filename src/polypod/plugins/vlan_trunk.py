"""Which VLANs a bridge port gets: one untagged VLAN and a trunk of ranges and single numbers."""

from __future__ import annotations

from collections.abc import Mapping

from polypod.cni import fields
from polypod.errors import PluginError

_LAST = 4094


def native(config: Mapping[str, object]) -> int:
    """Return the untagged VLAN, 0 for none.

    Raises:
        PluginError: out of range.
    """
    vlan = fields.number(config, "vlan") or 0
    if not 0 <= vlan <= _LAST:
        raise PluginError(f"invalid VLAN ID {vlan} (must be between 0 and {_LAST})")
    return vlan


def tagged(config: Mapping[str, object]) -> tuple[int, ...] | None:
    """Return the trunk's VLANs, ascending; None without the key, which an empty list is not.

    Raises:
        PluginError: an entry is incomplete or out of range.
    """
    entries = fields.objects(config, "vlanTrunk")
    if entries is None:
        return None
    found: set[int] = set()
    for entry in entries:
        found |= _entry(entry)
    return tuple(sorted(found))


def _entry(entry: Mapping[str, object]) -> set[int]:
    first, last = fields.number(entry, "minID"), fields.number(entry, "maxID")
    single = fields.number(entry, "id")
    found: set[int] = set()
    if first is not None and last is not None:
        _within(first, "minID")
        _within(last, "maxID")
        if first > last:
            raise PluginError("minID is greater than maxID in trunk parameter")
        found.update(range(first, last + 1))
    elif first is not None or last is not None:
        missing = "maxID" if last is None else "minID"
        raise PluginError(
            f"minID and maxID should be configured simultaneously, {missing} is missing"
        )
    if single is not None:
        _within(single, "id")
        found.add(single)
    return found


def _within(vlan: int, key: str) -> None:
    if not 1 <= vlan <= _LAST:
        raise PluginError(f"incorrect trunk {key} parameter")
