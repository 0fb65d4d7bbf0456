"""A NetworkAttachmentDefinition: from its text to the configuration that plugins are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from polypod.cni import encode, fields, remember
from polypod.errors import DecodeError, InvalidConfigError

MAX_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """One NetworkAttachmentDefinition."""

    namespace: str
    name: str
    config: str | None = None
    """spec.config; None or empty when the network's file is only named."""
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


def network_config(definition: Definition) -> bytes | None:
    """Return the configuration, with the definition's name where it has none; None for a file.

    Raises:
        InvalidConfigError: spec.config is not a JSON object.
    """
    if not definition.config:
        return None
    return _named(definition.config, definition.namespace, definition.name)


@remember.if_short
def _named(config: str, namespace: str, definition: str) -> bytes:
    """Return the configuration: it is that of every pod that gets the network."""
    raw = config.encode("utf-8", "replace")
    if len(raw) > MAX_BYTES:
        raise InvalidConfigError("spec.config is longer than 1 MiB")
    try:
        decoded = fields.decode_object(raw, "failed to unmarshal Spec.Config")
    except DecodeError as error:
        raise InvalidConfigError(
            f"network-attachment-definition {namespace}/{definition}: {error.cause}"
        ) from error
    name = fields.get(decoded, "name")
    if name is not None and name != "":  # of any type: the list's own rules judge it
        return raw
    return encode.compact({**decoded, "name": definition})


def merge_cni_args(config: bytes, cni_args: Mapping[str, object]) -> bytes:
    """Put an annotation's cni-args into args.cni of the plugin, or of every plugin of a list.

    Raises:
        InvalidConfigError: args, or args.cni, is not an object.
    """
    decoded = fields.decode_object(config, "network configuration")
    plugins = fields.get(decoded, "plugins")
    try:
        if fields.text(decoded, "type") or not isinstance(plugins, list):
            return encode.compact(_with_args(decoded, cni_args))
        told = [
            _with_args(cast("dict[str, object]", plugin), cni_args)
            for plugin in fields.objects(decoded, "plugins") or ()
        ]
    except DecodeError as error:
        raise InvalidConfigError(f"cni-args cannot be merged: {error.cause}") from error
    return encode.compact({**decoded, "plugins": told})


def _with_args(plugin: Mapping[str, object], cni_args: Mapping[str, object]) -> dict[str, object]:
    args = fields.table(plugin, "args") or {}
    merged = {**(fields.table(args, "cni") or {}), **cni_args}
    return {**plugin, "args": {**args, "cni": merged}}
