"""Decides which networks a pod gets, in which order and under which interface names.

Every name, type and conflict is checked here, before anything is touched. The primary is
position 0; the others are net1, net2, ... by their place in the whole list unless they name
their interface.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from polypod.cni import arguments, fields, lists, node
from polypod.cni.config import check_version
from polypod.cni.quote import quoted, quoted_list
from polypod.cni.request import Request
from polypod.engine import by_hand, devices
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
RESOURCE = "network-attachment-definitions.k8s.cni.cncf.io"
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
    found: list[Attachment] = []
    named = by_hand.selections(request)
    primary = _primary(request, pod, doors, handout) if named is None else None
    if primary is not None:
        found.append(primary)
    for place, chosen in enumerate(selections(pod) if named is None else named, start=1):
        found.append(_secondary(request, pod, chosen, place, doors, handout))
    if not found and pod is None:
        raise InvalidConfigError(
            "nothing to attach: must have either Kubernetes config or delegates",
            hint="name the primary's configuration with --primary, or describe the pod",
        )
    _check_names(found)
    return tuple(found)


def check_arguments(given: str) -> None:
    """Refuse keys of CNI_ARGS that are not ours, unless the caller lets them be ignored.

    Raises:
        InvalidEnvironmentError: such a key.
    """
    pairs = arguments.pairs(given)
    if dict(pairs).get("IgnoreUnknown", "").lower() in {"1", "true"}:
        return
    unknown = [f"{key}={value}" for key, value in pairs if key not in {*_FIXED, "IP"}]
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
    network = doors.networks.primary()
    if network is None:
        return None
    return Attachment(
        network=network,
        ifname=request.ifname,
        display_name=network.name,
        position=0,
        arguments=pod_arguments(request, None),
        capabilities=fields.table(request.config.raw, "runtimeConfig") or {},
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
    found = doors.source.definition(chosen.namespace, chosen.name)
    if found is None:
        raise InvalidConfigError(
            f"cannot find a network-attachment-definition ({chosen.name[:253]})"
            f" in namespace ({chosen.namespace[:253]}):"
            f" {RESOURCE} {quoted(chosen.name[:253])} not found",
            hint="create it, or correct the name in the pod's annotation",
        )
    config = nad.network_config(found)
    if config is None:
        config = doors.networks.by_name(found.name)
    if config is None:
        raise InvalidConfigError(
            f"No networks found in the node's folder by the name {found.name}, and"
            f" network-attachment-definition {found.namespace}/{found.name} has no spec.config",
            hint="write spec.config, or place a file with that name in the folder of --networks",
        )
    given = handout.take(found)
    if given is not None:
        config = nad_devices.inject(config, given.device)
    if chosen.cni_args:
        config = nad.merge_cni_args(config, chosen.cni_args)
    _check_first_plugin(config)
    network = lists.parse_list(config)
    _check_types(network)
    check_version("ADD", network.cni_version)
    return network, given


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


def _check_names(found: Sequence[Attachment]) -> None:
    for attachment in found:
        _check_ifname(attachment.ifname)
    names = [attachment.ifname for attachment in found]
    for name in names:
        if names.count(name) > 1:
            raise ConflictError(f"interface name {name} already exists: two networks ask for it")


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
    return tuple(dict.fromkeys((*doors.settings.path, *request.path)))


def pod_arguments(request: Request, chosen: Selection | None) -> str:
    """Return CNI_ARGS for a plugin: the five pod keys, the caller's others, then MAC and IP."""
    given = dict(arguments.pairs(request.arguments))
    kept = {"IgnoreUnknown": "true", **{key: given.get(key, "") for key in _FIXED[1:]}}
    kept |= {key: value for key, value in given.items() if key not in _FIXED}
    if chosen is not None and chosen.mac:
        kept["MAC"] = chosen.mac
    if chosen is not None and chosen.ips:
        kept["IP"] = ",".join(chosen.ips)
    return arguments.render(tuple(kept.items()))


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
