"""From the name of a network definition to the network, checked before anything is touched."""

from __future__ import annotations

from typing import cast

from polypod.cni import fields, lists, node, remember
from polypod.cni.config import check_version
from polypod.cni.quote import quoted
from polypod.engine.doors import Doors
from polypod.errors import InvalidConfigError, NoNetworkError
from polypod.nad import definition as nad
from polypod.nad.definition import Definition

RESOURCE = "network-attachment-definitions.k8s.cni.cncf.io"


def find(namespace: str, name: str, doors: Doors) -> Definition:
    """Return a definition.

    Raises:
        NoNetworkError: there is none.
    """
    found = doors.source.definition(namespace, name)
    if found is None:
        raise NoNetworkError(
            f"cannot find a network-attachment-definition ({name[:253]})"
            f" in namespace ({namespace[:253]}):"
            f" {RESOURCE} {quoted(name[:253])} not found"
        )
    return found


def config_of(found: Definition, doors: Doors) -> bytes:
    """Return a definition's configuration, or that of the node's file which it only names.

    Raises:
        InvalidConfigError: it is no JSON object, or there is no such file.
    """
    config = nad.network_config(found)
    if config is None:
        config = doors.networks.by_name(found.name)
    if config is None:
        raise InvalidConfigError(
            f"No networks found in the node's folder by the name {found.name}, and"
            f" network-attachment-definition {found.namespace}/{found.name} has no spec.config",
            hint="write spec.config, or place a file with that name in the folder of --networks",
        )
    return config


@remember.if_short
def network_of(config: bytes) -> lists.NetworkList:
    """Return the network of a configuration; a short text is remembered.

    Raises:
        DecodeError: it is no JSON object.
        InvalidConfigError: it is no network, or one that would call a meta-plugin.
        IncompatibleVersionError: it is of a CNI version that nobody knows.
    """
    _check_first_plugin(config)
    network = lists.parse_list(config)
    _check_types(network)
    check_version("ADD", network.cni_version)
    return network


def _check_first_plugin(config: bytes) -> None:
    """Say it in the reference's words when a list begins with something that is no plugin."""
    plugins = fields.get(fields.decode_object(config, "network configuration"), "plugins")
    if not isinstance(plugins, list) or not plugins:
        return
    first = cast("list[object]", plugins)[0]
    if isinstance(first, dict) and not fields.text(cast("dict[str, object]", first), "type"):
        raise InvalidConfigError("a plugin delegate must have the 'type' field")


def _check_types(network: lists.NetworkList) -> None:
    for plugin in network.plugins:
        if fields.text(plugin, "type") in node.META_PLUGINS:
            raise InvalidConfigError(
                f'network "{network.name}" names a meta-plugin, which would call itself',
                hint="a network's plugins are bridge, macvlan and the like",
            )
