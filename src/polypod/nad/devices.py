"""A network's device: the annotation that asks for one, what plugins are told, its files' names.

Device Plugin and device information of the Network Plumbing specification. Which device a pod gets
is decided by the kubelet; in which order its networks get them, by engine/devices.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from polypod.cni import encode, fields
from polypod.errors import DecodeError, InvalidConfigError
from polypod.nad.definition import Definition

RESOURCE_NAME = "k8s.v1.cni.cncf.io/resourceName"
FOLDER = "/var/run/k8s.cni.cncf.io/devinfo"
"""Device plugins write into `dp` below it; `cni` has a file for each attachment."""
MAX_SHOWN = 16 << 10
"""An annotation has an end, and a pod many networks: what is longer, indented, is not shown."""
_KEYS = ("deviceID", "pciBusID")


def wanted_resource(definition: Definition) -> str:
    """Return the resource whose device a network wants, empty for none."""
    return definition.annotations.get(RESOURCE_NAME, "").strip()


def inject(config: bytes, device: str) -> bytes:
    """Put a device's id into the plugin, or into every plugin of a list.

    Raises:
        InvalidConfigError: the list has something that is no plugin.
        DecodeError: the configuration is no JSON object.
    """
    decoded = fields.decode_object(config, "network configuration")
    if fields.text(decoded, "type") or not isinstance(fields.get(decoded, "plugins"), list):
        return encode.compact(_told(decoded, device))
    try:
        plugins = fields.objects(decoded, "plugins") or ()
    except DecodeError as error:
        raise InvalidConfigError(f"a device cannot be put in: {error.cause}") from error
    told = [_told(cast("dict[str, object]", plugin), device) for plugin in plugins]
    return encode.compact({**decoded, "plugins": told})


def _told(plugin: Mapping[str, object], device: str) -> dict[str, object]:
    known = {key.casefold() for key in _KEYS}
    kept = {key: value for key, value in plugin.items() if key.casefold() not in known}
    return {**kept, **dict.fromkeys(_KEYS, device)}


def plugin_file(resource: str, device: str) -> str:
    """Return the name of the file in which a device plugin tells of a device."""
    return f"{_flat(resource)}-{_flat(device)}-device.json"


def attachment_file(network: str, container_id: str, ifname: str) -> str:
    """Return the name of the file in which an attachment's device is told of."""
    return f"{_flat(network)}-{container_id}_{ifname}"


def _flat(name: str) -> str:
    return name.replace("/", "-")


def read_info(content: bytes) -> Mapping[str, object] | None:
    """Return what a device-info file says, None when it says nothing that can be shown."""
    try:
        found = fields.decode_object(content, "device information")
        is_short = len(encode.pretty(found)) <= MAX_SHOWN
    except (DecodeError, RecursionError):
        return None
    return found if found and is_short else None
