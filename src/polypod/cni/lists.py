"""Network configuration lists: parsing them, and the stdin that each plugin of one gets.

A single plugin's configuration is a list of one (CNI 1.1.0, section 1; libcni's habits).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from polypod.cni import encode, fields, remember
from polypod.cni.config import name_pattern
from polypod.cni.labels import ALL_VERSIONS, OLDEST, numbers
from polypod.cni.quote import quoted
from polypod.errors import DecodeError, InvalidConfigError


class NetworkList(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One network: its plugins in order; equal only to itself, so that notes on it are found."""

    name: str
    cni_version: str
    plugins: tuple[Mapping[str, object], ...]
    raw: bytes
    """The configuration as it was read."""
    is_list: bool = True
    """Whether it was written as a list; a single plugin's configuration is one of one."""
    disable_check: bool = False
    disable_gc: bool = False


@remember.if_short
def parse_list(raw: bytes) -> NetworkList:
    """Read a list, or a single plugin's configuration; a short text is remembered.

    Raises:
        DecodeError: not a JSON object.
        InvalidConfigError: no name, no plugins, or a plugin without a type.
    """
    decoded = fields.decode_object(raw, "error parsing configuration list")
    name, version = _name(decoded), _version(decoded)
    inlined = _loose_flag(decoded, "loadOnlyInlinedPlugins")
    if inlined and fields.get(decoded, "plugins") is None:
        raise _wrong("`loadOnlyInlinedPlugins` is true, and no 'plugins' key")
    plugins = _plugins(decoded)
    if not name_pattern.fullmatch(name):
        raise InvalidConfigError("invalid characters found in network name", details=name)
    return NetworkList(
        name=name,
        cni_version=version,
        plugins=plugins,
        raw=raw,
        is_list=fields.get(decoded, "plugins") is not None,
        disable_check=_loose_flag(decoded, "disableCheck"),
        disable_gc=_loose_flag(decoded, "disableGC"),
    )


def _plugins(decoded: Mapping[str, object]) -> tuple[Mapping[str, object], ...]:
    if fields.get(decoded, "plugins") is None:
        if not fields.text(decoded, "type"):
            raise InvalidConfigError("delegate must have the 'type' or 'plugin' field")
        return (decoded,)
    listed = fields.get(decoded, "plugins")
    if not isinstance(listed, list):
        raise _wrong(f"invalid 'plugins' type {_kind(listed)}")
    if not listed:
        raise _wrong("no plugins in list")
    return tuple(_plugin(place, one) for place, one in enumerate(cast("list[object]", listed)))


def _plugin(place: int, given: object) -> Mapping[str, object]:
    start = f"failed to parse plugin config {place}: error parsing configuration:"
    if not isinstance(given, dict):
        raise InvalidConfigError(f"{start} an object is expected, got {_kind(given)}")
    plugin = cast("Mapping[str, object]", given)
    try:
        type_ = fields.text(plugin, "type")
    except DecodeError as error:
        raise InvalidConfigError(f"{start} {error.cause}") from error
    if not type_:
        raise InvalidConfigError(f"{start} missing 'type'")
    if "/" in type_:
        raise InvalidConfigError(f"invalid plugin name: {type_[:100]}")
    return plugin


def _name(decoded: Mapping[str, object]) -> str:
    name = fields.get(decoded, "name")
    if name is None or name == "":
        raise _wrong("no name")
    if not isinstance(name, str):
        raise _wrong(f"invalid name type {_kind(name)}")
    return name


def _version(decoded: Mapping[str, object]) -> str:
    """Return cniVersion, or the newest of it and cniVersions that is spoken here."""
    own = fields.get(decoded, "cniVersion")
    if own is not None and not isinstance(own, str):
        raise _wrong(f"invalid cniVersion type {_kind(own)}")
    offered = fields.get(decoded, "cniVersions")
    if offered is None:
        return own or OLDEST
    if not isinstance(offered, list):
        raise _wrong(f"invalid type for cniVersions: {_kind(offered)}")
    entries = cast("list[object]", offered)
    for place, entry in enumerate(entries):
        if not isinstance(entry, str) or numbers(entry) is None:
            raise _wrong(f"invalid cniVersions entry {str(entry)[:40]} at index {place}")
    spoken = [version for version in ALL_VERSIONS if version in (own, *entries)]
    return spoken[-1] if spoken else own or OLDEST


def _loose_flag(decoded: Mapping[str, object], key: str) -> bool:
    """Return a flag that may be written as text; unlike elsewhere, null is no absence."""
    place = fields.name_of(decoded, key)
    value = False if place is None else decoded[place]
    if isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise _wrong(f"invalid type {_kind(value)} for {key}")
    if value.lower() in {"true", "false"}:
        return value.lower() == "true"
    raise _wrong(f"invalid value {quoted(value[:40])} for {key}")


def _wrong(cause: str) -> InvalidConfigError:
    return InvalidConfigError(f"error parsing configuration list: {cause}")


def _kind(value: object) -> str:
    """Return the name that the reference gives a value's type."""
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    names: dict[type[object], str] = {str: "string", bool: "bool", type(None): "<nil>"}
    return names.get(type(value), "float64")


def plugin_config(
    network: NetworkList,
    index: int,
    *,
    prev_result: Mapping[str, object] | None,
    capability_args: Mapping[str, object],
) -> dict[str, object]:
    """Return what one plugin is told: its object, with what the runtime injects."""
    own = network.plugins[index]
    injected = {"name", "cniversion", "prevresult"}
    plugin = {key: value for key, value in own.items() if key.casefold() not in injected}
    plugin["name"], plugin["cniVersion"] = network.name, network.cni_version
    if prev_result is not None:
        plugin["prevResult"] = dict(prev_result)
    declared = fields.table(plugin, "capabilities") or {}
    given = {key: value for key, value in capability_args.items() if declared.get(key) is True}
    if given:
        plugin["runtimeConfig"] = {**(fields.table(plugin, "runtimeConfig") or {}), **given}
    return plugin


def plugin_stdin(
    network: NetworkList,
    index: int,
    *,
    prev_result: Mapping[str, object] | None,
    capability_args: Mapping[str, object],
) -> bytes:
    """Return plugin_config as compact JSON with sorted keys."""
    config = plugin_config(network, index, prev_result=prev_result, capability_args=capability_args)
    return encode.compact(cast("Mapping[str, object]", config))
