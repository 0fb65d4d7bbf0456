"""Decides which networks a pod gets, in which order and under which interface names.

Every name, type and conflict is checked here, before anything is touched. The primary is
position 0; the others are net1, net2, ... by their place in the whole list unless they name
their interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import count

from polypod.cni import arguments, fields, lists
from polypod.cni.quote import quoted_list
from polypod.cni.request import Request
from polypod.engine import by_hand, definitions, devices, node_networks
from polypod.engine.attachment import Attachment
from polypod.engine.devices import Given, Handout
from polypod.engine.doors import Doors, Pod
from polypod.errors import (
    ConflictError,
    InvalidAnnotationError,
    InvalidConfigError,
    InvalidEnvironmentError,
)
from polypod.nad import definition as nad
from polypod.nad import devices as nad_devices
from polypod.nad import isolation, selection
from polypod.nad.selection import Selection

NETWORKS = "k8s.v1.cni.cncf.io/networks"
DEFAULT_NETWORK = "v1.multus-cni.io/default-network"

_FIXED = (
    "IgnoreUnknown",
    "K8S_POD_NAMESPACE",
    "K8S_POD_NAME",
    "K8S_POD_INFRA_CONTAINER_ID",
    "K8S_POD_UID",
)


def resolve(request: Request, pod: Pod | None, doors: Doors) -> tuple[Attachment, ...]:
    """Return the ordered attachments of a pod; the first is the primary, if the node has one.

    Raises:
        InvalidEnvironmentError: CNI_ARGS has a key that nobody knows and that may not be ignored.
        InvalidAnnotationError: an annotation is malformed or crosses namespaces.
        InvalidConfigError: a definition is missing or unusable, or there is nothing to attach.
        IncompatibleVersionError: a definition is of a CNI version that nobody knows.
        ConflictError: two networks ask for one interface name.
        PolypodError: a network wants a device, and nobody can be asked for the pod's.
    """
    check_arguments(request.arguments)
    handout = Handout(request, pod, doors)
    named = by_hand.selections(request)
    found = _of_operator(request, pod, doors, handout) if named is None else []
    begin = 1 + len([one for one in found if one.position])
    for place, chosen in enumerate(selections(pod) if named is None else named, start=begin):
        found.append(_secondary(request, pod, chosen, place, doors, handout))
    if not found and pod is None:
        raise InvalidConfigError(
            "nothing to attach: must have either Kubernetes config or delegates",
            hint="name the primary's configuration with --primary, or describe the pod",
        )
    _check_names(found)
    if named is None and doors.settings.auxiliary_chain:
        found += _auxiliary(request, found, doors)
    return tuple(found)


def check_arguments(given: str) -> None:
    """Refuse keys of CNI_ARGS that are not ours, unless the caller lets them be ignored.

    Raises:
        InvalidEnvironmentError: such a key.
    """
    if arguments.given(given).get("IgnoreUnknown", "").lower() in {"1", "true"}:
        return
    unknown = [
        f"{key}={value}" for key, value in arguments.pairs(given) if key not in {*_FIXED, "IP"}
    ]
    if unknown:
        raise InvalidEnvironmentError(
            f"ARGS: unknown args {quoted_list(unknown)[:400]}",
            hint="the caller adds IgnoreUnknown=1 to CNI_ARGS",
        )


def selections(pod: Pod | None) -> tuple[Selection, ...]:
    """Return what the pod's networks annotation asks for."""
    if pod is None:
        return ()
    annotation = pod.annotations.get(NETWORKS, "")
    return selection.parse(annotation, pod.namespace) if annotation.strip() else ()


def _of_operator(
    request: Request, pod: Pod | None, doors: Doors, handout: Handout
) -> list[Attachment]:
    """Return what every pod gets: the primary, and the node's default networks."""
    primary = _primary(request, pod, doors, handout)
    found = [] if primary is None else [primary]
    if doors.settings.default_networks:
        given = arguments.given(request.arguments)
        namespace = pod.namespace if pod is not None else given.get("K8S_POD_NAMESPACE", "")
        for place, name in enumerate(node_networks.defaults(namespace, doors), start=1):
            found.append(_named(request, name, place, f"net{place}", doors, handout))
    return found


def _named(
    request: Request, name: str, place: int, ifname: str, doors: Doors, handout: Handout
) -> Attachment:
    """Return the attachment of a network that the operator names."""
    if node_networks.definition_of(name, doors) is not None:
        chosen = Selection(namespace=doors.settings.multus_namespace, name=name)
        return _attachment(request, chosen, place, ifname, doors, handout)
    return _plain(request, node_networks.of_file(name, doors), place, ifname, doors)


def _auxiliary(request: Request, found: Sequence[Attachment], doors: Doors) -> list[Attachment]:
    """Return the chain that follows all networks: it makes no interface, but has a name for one."""
    network = doors.networks.auxiliary(doors.settings.auxiliary_chain, request.config.cni_version)
    if network is None:
        return []
    place = 1 + max((one.position for one in found), default=0)
    taken = {one.ifname for one in found}
    ifname = next(name for name in map("net{}".format, count(place)) if name not in taken)
    return [_plain(request, network, place, ifname, doors)]


def _primary(
    request: Request, pod: Pod | None, doors: Doors, handout: Handout
) -> Attachment | None:
    if pod is not None and DEFAULT_NETWORK in pod.annotations:
        chosen = selection.parse_default(
            pod.annotations[DEFAULT_NETWORK], doors.settings.multus_namespace
        )
        if doors.settings.namespace_isolation:
            # The annotation is the pod's own, so it opens no namespace that the other one does
            # not, but for the one where default networks are kept.
            allowed = doors.settings.global_namespaces | {doors.settings.multus_namespace}
            isolation.check_isolation(pod.namespace, chosen, allowed)
        return _attachment(request, chosen, 0, chosen.interface or request.ifname, doors, handout)
    if doors.settings.cluster_network:
        name = doors.settings.cluster_network
        return _named(request, name, 0, request.ifname, doors, handout)
    network = doors.networks.primary()
    return None if network is None else _plain(request, network, 0, request.ifname, doors)


def _plain(
    request: Request, network: lists.NetworkList, place: int, ifname: str, doors: Doors
) -> Attachment:
    """Return the attachment of a network that is no definition: nobody asks anything of it."""
    told = fields.table(request.config.raw, "runtimeConfig") if place == 0 else None
    return Attachment(
        network=network,
        ifname=ifname,
        display_name=network.name,
        position=place,
        arguments=pod_arguments(request, None),
        capabilities=told or {},
        path=search_path(request, doors),
    )


def _secondary(
    request: Request,
    pod: Pod | None,
    chosen: Selection,
    place: int,
    doors: Doors,
    handout: Handout,
) -> Attachment:
    if doors.settings.namespace_isolation and pod is not None:
        isolation.check_isolation(pod.namespace, chosen, doors.settings.global_namespaces)
    return _attachment(request, chosen, place, chosen.interface or f"net{place}", doors, handout)


def _attachment(
    request: Request,
    chosen: Selection,
    place: int,
    ifname: str,
    doors: Doors,
    handout: Handout,
) -> Attachment:
    network, given = _network(chosen, doors, handout)
    name = f"{chosen.namespace}/{chosen.name}"
    capabilities, file = _capabilities(request, chosen, place, given), None
    if place and "deviceID" in capabilities and doors.device_files is not None:
        file = devices.file_of(name, request, ifname, given)
        capabilities["CNIDeviceInfoFile"] = doors.device_files.path(file.name)
    return Attachment(
        network=network,
        ifname=ifname,
        display_name=name,
        position=place,
        arguments=pod_arguments(request, chosen),
        capabilities=capabilities,
        path=search_path(request, doors),
        default_route=chosen.default_route,
        device_file=file,
    )


def _network(
    chosen: Selection, doors: Doors, handout: Handout
) -> tuple[lists.NetworkList, Given | None]:
    found = definitions.find(chosen.namespace, chosen.name, doors)
    config = definitions.config_of(found, doors)
    given = handout.take(found)
    if given is not None:
        config = nad_devices.inject(config, given.device)
    if chosen.cni_args:
        config = nad.merge_cni_args(config, chosen.cni_args)
    return definitions.network_of(config), given


def _check_names(found: Sequence[Attachment]) -> None:
    for attachment in found:
        _check_ifname(attachment.ifname)
    names = [attachment.ifname for attachment in found]
    for name in names:
        if names.count(name) > 1:
            raise ConflictError(f"interface name {name} already exists: two networks ask for it")


@lru_cache(maxsize=64)
def _check_ifname(name: str) -> None:
    if not 0 < len(name.encode(errors="replace")) <= 15 or name in {".", ".."}:
        raise InvalidAnnotationError(
            f"interface name {name[:40]!r} is empty, too long, or a dot",
            hint="interface names have 1 to 15 bytes",
        )
    if any(sign in "/:" or sign.isspace() for sign in name):
        raise InvalidAnnotationError(
            f"interface name {name!r}: contains / or : or whitespace characters",
            hint="interface names have 1 to 15 bytes without / : or white space",
        )
    if "%" in name or not name.isprintable():
        raise InvalidAnnotationError(
            f"interface name {name!r}: contains % or control characters",
            hint="the kernel would read % as a pattern, and nobody could type the others",
        )


def search_path(request: Request, doors: Doors) -> tuple[str, ...]:
    """Return where foreign plugins are looked for: the node's folders, then the caller's."""
    return _each_once(doors.settings.path, request.path)


@lru_cache(maxsize=16)
def _each_once(ours: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*ours, *theirs)))


def pod_arguments(request: Request, chosen: Selection | None) -> str:
    """Return CNI_ARGS for a plugin: the five pod keys, the caller's others, then MAC and IP."""
    if chosen is None:
        return _arguments(request.arguments, "", "")
    return _arguments(request.arguments, chosen.mac or "", ",".join(chosen.ips or ()))


@lru_cache(maxsize=64)
def _arguments(of_call: str, mac: str, ips: str) -> str:
    """Return the text, remembered: it is the same for most of a pod's networks."""
    given = arguments.given(of_call)
    kept = {"IgnoreUnknown": "true", **{key: given.get(key, "") for key in _FIXED[1:]}}
    kept |= {key: value for key, value in given.items() if key not in _FIXED}
    if mac:
        kept["MAC"] = mac
    if ips:
        kept["IP"] = ips
    return arguments.render(kept.items())


def _capabilities(
    request: Request, chosen: Selection, place: int, given: Given | None
) -> dict[str, object]:
    """Return runtimeConfig values: the runtime's for the primary, the selection's for others."""
    if place == 0:
        return dict(fields.table(request.config.raw, "runtimeConfig") or {})
    wanted: dict[str, object] = {
        "portMappings": list(chosen.port_mappings or ()),
        "bandwidth": chosen.bandwidth,
        "ips": list(chosen.ips or ()),
        "mac": chosen.mac,
        "infinibandGUID": chosen.infiniband_guid,
        "deviceID": given.device if given else chosen.device_id,
    }
    return {key: value for key, value in wanted.items() if value}
