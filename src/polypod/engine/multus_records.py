"""Reads what Multus keeps of a container: its delegates, each as a network that can be deleted.

Called by takeover.py, which runs their plugins; where the files lie is store/multus_cache.py's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import msgspec
from msgspec.structs import replace

from polypod.cni import encode, fields, lists
from polypod.cni.lists import NetworkList
from polypod.cni.request import Request
from polypod.errors import DecodeError
from polypod.nad import devices

_CAPABILITIES = {
    "mac": "macRequest",
    "ips": "ipRequest",
    "infinibandGUID": "infinibandGUIDRequest",
    "deviceID": "deviceID",
}
"""runtimeConfig's keys, by the names of the cache; port mappings and bandwidth are not kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """One network that Multus attached."""

    network: NetworkList
    ifname: str
    capabilities: Mapping[str, object]
    device_file: str = ""
    """The file that tells of its device; empty when it has none."""


def delegates(content: bytes, request: Request) -> tuple[Delegate, ...]:
    """Read a cache file.

    Raises:
        DecodeError: it is not what Multus writes.
        InvalidConfigError: a delegate's configuration is none.
    """
    try:
        listed = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise DecodeError(f"delegates: {error}") from error
    if not isinstance(listed, list):
        raise DecodeError("delegates: a list is expected")
    return tuple(
        _delegate(place, one, request) for place, one in enumerate(cast("list[object]", listed))
    )


def _delegate(place: int, entry: object, request: Request) -> Delegate:
    if not isinstance(entry, dict):
        raise DecodeError("delegates: an object is expected")
    table = cast("Mapping[str, object]", entry)
    raw = _configuration(table)
    network = lists.parse_list(raw)
    if network.is_list and not fields.text(fields.decode_object(raw, "delegate"), "cniVersion"):
        network = replace(network, cni_version=request.config.cni_version)
    given = {name: fields.get(table, key) for name, key in _CAPABILITIES.items()}
    usual = request.ifname if place == 0 else f"net{place}"
    ifname = fields.text(table, "ifnameRequest") or usual
    file = devices.attachment_file(fields.text(table, "Name"), request.container_id, ifname)
    return Delegate(
        network=network,
        ifname=ifname,
        capabilities={name: value for name, value in given.items() if value},
        device_file=file if place and given["deviceID"] else "",
    )


def decoded(table: Mapping[str, object], key: str) -> bytes:
    """Return bytes that a Go program wrote as JSON.

    Raises:
        DecodeError: they are not base64.
    """
    try:
        return base64.b64decode(fields.text(table, key), validate=True)
    except binascii.Error as error:
        raise DecodeError(f"{key}: {error}") from error


def _configuration(table: Mapping[str, object]) -> bytes:
    """Return what ADD was run with.

    Of a list from a file Multus 4.3.0 keeps in `Bytes` only what all plugins have in common; each
    plugin's own text lies elsewhere, with those that files had chained to the list.
    """
    whole = fields.table(table, "CNINetworkConfigList") or {}
    plugins = fields.objects(whole, "Plugins")
    if not plugins:
        return decoded(table, "Bytes")
    given = fields.decode_object(decoded(whole, "Bytes"), "delegate")
    texts = [fields.decode_object(decoded(one, "Bytes"), "plugin") for one in plugins]
    return encode.compact({**given, "plugins": texts})
