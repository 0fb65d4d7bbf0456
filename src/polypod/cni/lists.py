"""Network configuration lists: parsing them, and the stdin that each plugin of one gets.

A single plugin's configuration is a list of one (CNI 1.1.0, section 1; libcni's habits).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from polypod.cni import encode, fields
from polypod.cni.config import name_pattern
from polypod.cni.labels import ALL_VERSIONS, OLDEST
from polypod.errors import DecodeError, InvalidConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkList:
    """One network: its plugins in order."""

    name: str
    cni_version: str
    plugins: tuple[Mapping[str, object], ...]
    raw: bytes
    """The configuration as it was read."""
    is_list: bool = True
    """Whether it was written as a list; a single plugin's configuration is one of one."""
    disable_check: bool = False
    disable_gc: bool = False


def parse_list(raw: bytes) -> NetworkList:
    """Read a list, or a single plugin's configuration.

    Raises:
        DecodeError: not a JSON object.
        InvalidConfigError: no name, no plugins, or a plugin without a type.
    """
    decoded = fields.decode_object(raw, "error parsing configuration list")
    plugins = _plugins(decoded)
    name = fields.text(decoded, "name")
    if not name:
        raise InvalidConfigError("error parsing configuration list: no name")
    if not name_pattern.fullmatch(name):
        raise InvalidConfigError("invalid characters found in network name", details=name)
    return NetworkList(
        name=name,
        cni_version=_version(decoded),
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
    try:
        plugins = fields.objects(decoded, "plugins") or ()
    except DecodeError as error:
        raise InvalidConfigError(f"invalid 'plugins' type: {error.cause}") from error
    if not plugins:
        raise InvalidConfigError("no plugins in list")
    for place, plugin in enumerate(plugins):
        type_ = fields.text(plugin, "type")
        if not type_:
            raise InvalidConfigError(
                f"failed to parse plugin config {place}: error parsing configuration:"
                " missing 'type'"
            )
        if "/" in type_:
            raise InvalidConfigError(f"invalid plugin name: {type_[:100]}")
    return plugins


def _version(decoded: Mapping[str, object]) -> str:
    own = fields.text(decoded, "cniVersion")
    offered = [v for v in (own, *fields.texts(decoded, "cniVersions")) if v]
    known = [version for version in offered if version in ALL_VERSIONS]
    if fields.get(decoded, "cniVersions") is not None and known:
        return max(known, key=ALL_VERSIONS.index)
    return own or OLDEST


def _loose_flag(decoded: Mapping[str, object], key: str) -> bool:
    value = fields.get(decoded, key)
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in {"true", "false"}:
        return value.lower() == "true"
    if value is None:
        return False
    raise InvalidConfigError(f'invalid value "{str(value)[:40]}" for {key}')


def plugin_config(
    network: NetworkList,
    index: int,
    *,
    prev_result: Mapping[str, object] | None,
    capability_args: Mapping[str, object],
) -> dict[str, object]:
    """Return what one plugin is told: its object, with what the runtime injects."""
    plugin = dict(network.plugins[index])
    for key in [key for key in plugin if key.casefold() in {"name", "cniversion", "prevresult"}]:
        del plugin[key]
    plugin["name"], plugin["cniVersion"] = network.name, network.cni_version
    if prev_result is not None:
        plugin["prevResult"] = dict(prev_result)
    declared = fields.table(plugin, "capabilities") or {}
    given = {key: value for key, value in capability_args.items() if declared.get(key) is True}
    if given:
        own = fields.table(plugin, "runtimeConfig") or {}
        plugin["runtimeConfig"] = {**own, **given}
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
