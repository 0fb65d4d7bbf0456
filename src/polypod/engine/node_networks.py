"""Networks that the node's operator gives to pods: the cluster network, and default networks.

They are named by a definition in the namespace for that, by a configuration of the node's folder,
or by a path; in this order, as Multus has it. A name with a slash is always a path.
"""

from __future__ import annotations

from polypod.cni.lists import NetworkList
from polypod.engine import definitions
from polypod.engine.doors import Doors
from polypod.errors import InvalidConfigError
from polypod.nad.definition import Definition


def cluster_network(doors: Doors) -> NetworkList | None:
    """Return the network of every pod's first interface, None on a node without one.

    Raises:
        PolypodError: it is missing or unusable.
    """
    name = doors.settings.cluster_network
    if not name:
        return doors.networks.primary()
    found = definition_of(name, doors)
    if found is None:
        return of_file(name, doors)
    return definitions.network_of(definitions.config_of(found, doors))


def defaults(namespace: str, doors: Doors) -> tuple[str, ...]:
    """Return the names of the networks that pods of a namespace get beside the first."""
    settings = doors.settings
    return () if namespace in settings.system_namespaces else settings.default_networks


def definition_of(name: str, doors: Doors) -> Definition | None:
    """Return the definition that an operator names, None when the name is none of one.

    Raises:
        PolypodError: it is not known whether there is one.
    """
    if "/" in name:
        return None
    return doors.source.definition(doors.settings.multus_namespace, name)


def of_file(name: str, doors: Doors) -> NetworkList:
    """Return the network that an operator names by a path, or by its name in the node's folder.

    Raises:
        PolypodError: there is none, or it is unusable.
    """
    if "/" in name:
        return doors.networks.at(name)
    config = doors.networks.by_name(name)
    if config is None:
        raise InvalidConfigError(
            f"cannot find network: {name[:253]}",
            hint=f"create a definition of that name in {doors.settings.multus_namespace},"
            " or correct clusterNetwork or defaultNetworks",
        )
    return definitions.network_of(config)
