"""The pod annotation's grammar: a comma list, or a JSON array of selection elements.

Network Plumbing specification, with the reference's habits where users see them. All or nothing:
one bad element refuses the annotation.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TypeVar, cast

import msgspec

from polypod.cni import fields
from polypod.errors import DecodeError, InvalidAnnotationError

MAX_BYTES = 256 << 10
MAX_NETWORKS = 64
T = TypeVar("T")
_label = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_mac = re.compile(
    r"([0-9a-fA-F]{2}([:-])[0-9a-fA-F]{2}(\2[0-9a-fA-F]{2}){4}((\2[0-9a-fA-F]{2}){2})?"
    r"((\2[0-9a-fA-F]{2}){12})?)|([0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2,9})"
)
_PREFIX = "parsePodNetworkAnnotation: "
_JSON = "failed to parse pod Network Attachment Selection Annotation JSON format: "
_MAX_IFNAME = 15


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """One wanted network. None means that the element does not say."""

    name: str
    namespace: str
    interface: str | None = None
    mac: str | None = None
    infiniband_guid: str | None = None
    ips: tuple[str, ...] | None = None
    port_mappings: tuple[Mapping[str, object], ...] | None = None
    bandwidth: Mapping[str, object] | None = None
    device_id: str | None = None
    cni_args: Mapping[str, object] | None = None
    default_route: tuple[str, ...] | None = None


def parse(annotation: str, default_namespace: str) -> tuple[Selection, ...]:
    """Return the selections in order; their order is the order of attachment.

    Raises:
        InvalidAnnotationError: the text does not follow the grammar.
    """
    if not annotation:
        raise _bad('pod annotation does not have "network" as key')
    if len(annotation) > MAX_BYTES:
        raise _bad(f"longer than {MAX_BYTES} bytes")
    if any(sign in annotation for sign in '[{"'):
        return tuple(_element(e, default_namespace) for e in _counted(_decode(annotation)))
    return tuple(_item(item, default_namespace) for item in _counted(annotation.split(",")))


def _counted(found: list[T]) -> list[T]:
    if len(found) > MAX_NETWORKS:
        raise _bad(f"more than {MAX_NETWORKS} networks")
    return found


def parse_default(annotation: str, multus_namespace: str) -> Selection:
    """Return the one network that replaces the primary.

    Raises:
        InvalidAnnotationError: none, more than one, or not the grammar.
    """
    found = parse(annotation, multus_namespace)
    if len(found) == 0:
        raise InvalidAnnotationError("tryLoadK8sPodDefaultNetwork: no network is specified")
    if len(found) > 1:
        raise InvalidAnnotationError(
            "tryLoadK8sPodDefaultNetwork: more than one default network is specified:"
            f" {annotation[:200]}"
        )
    return found[0]


def _bad(cause: str) -> InvalidAnnotationError:
    return InvalidAnnotationError(_PREFIX + cause)


def _item(item: str, default_namespace: str) -> Selection:
    """Read one item of the comma list: [namespace/]name[@interface]."""
    item = item.strip()
    parts = item.split("/")
    if len(parts) > 2:
        raise _bad("parsePodNetworkObjectName: Invalid network object (failed at '/')")
    namespace = parts[0].strip() if len(parts) == 2 else ""
    names = parts[-1].split("@")
    if len(names) > 2:
        raise _bad("parsePodNetworkObjectName: Invalid network object (failed at '@')")
    name = names[0].strip()
    interface = names[1].strip() if len(names) == 2 else ""
    for word in (namespace, name):
        if word and not _label.fullmatch(word):
            raise _bad(
                "parsePodNetworkObjectName: Failed to parse: one or more items did not match"
                f" comma-delimited format (must consist of lower case alphanumeric characters)."
                f" Must start and end with an alphanumeric character), mismatch @ '{word[:100]}'"
            )
    if interface and (
        len(interface.encode(errors="replace")) > _MAX_IFNAME
        or re.search(r"[ \t\n\v\f\r/]", interface)
    ):
        raise _bad(
            "parsePodNetworkObjectName: Failed to parse interface name: must be less than 15"
            " chars and not contain '/' or spaces. interface name"
            f" '{interface[:100]}'"
        )
    return Selection(
        name=name, namespace=namespace or default_namespace, interface=interface or None
    )


def _decode(annotation: str) -> list[object]:
    try:
        decoded = msgspec.json.decode(annotation)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise _bad(f"{_JSON}{error}") from error
    if not isinstance(decoded, list):
        raise _bad(f"{_JSON}a list of selection elements is expected")
    return cast("list[object]", decoded)


def _element(element: object, default_namespace: str) -> Selection:
    if not isinstance(element, dict):
        raise _bad(f"{_JSON}every element is an object, null is not one")
    table = cast("Mapping[str, object]", element)
    try:
        return _selection(table, default_namespace)
    except DecodeError as error:
        raise _bad(_JSON + error.cause) from error


def _selection(table: Mapping[str, object], default_namespace: str) -> Selection:
    return Selection(
        name=fields.text(table, "name"),
        namespace=fields.text(table, "namespace") or default_namespace,
        interface=fields.text(table, "interface") or fields.text(table, "interfaceRequest") or None,
        mac=_hardware(table, "mac", "failed to mac: "),
        infiniband_guid=_hardware(table, "infiniband-guid", "failed to validate infiniband GUID: "),
        ips=_ips(table),
        port_mappings=_port_mappings(table),
        bandwidth=_numbers(
            fields.table(table, "bandwidth"),
            ("ingressRate", "ingressBurst", "egressRate", "egressBurst"),
        ),
        device_id=fields.text(table, "deviceID") or None,
        cni_args=fields.table(table, "cni-args"),
        default_route=_gateways(table),
    )


def _hardware(table: Mapping[str, object], key: str, what: str) -> str | None:
    value = fields.text(table, key)
    if not value:
        return None
    if not _mac.fullmatch(value):
        raise _bad(f"{what}address {value[:100]}: invalid MAC address")
    return value


def _ips(table: Mapping[str, object]) -> tuple[str, ...] | None:
    if fields.items(table, "ips") is None:
        return None
    found = fields.texts(table, "ips")
    for value in found:
        is_prefix = "/" in value
        if not _is_address(value, is_prefix=is_prefix):
            kind = "CIDR" if is_prefix else "IP address"
            cause = f": invalid CIDR address: {value[:100]}" if is_prefix else ""
            raise _bad(f'failed to parse {kind} "{value[:100]}"{cause}')
    return found


def _is_address(value: str, *, is_prefix: bool = False) -> bool:
    """Tell whether text is an address; a zone is none: it may hold anything, and CNI_ARGS split."""
    try:
        (ipaddress.ip_interface if is_prefix else ipaddress.ip_address)(value)
    except ValueError:
        return False
    return "%" not in value


def _numbers(
    table: Mapping[str, object] | None, keys: tuple[str, ...]
) -> Mapping[str, object] | None:
    if table is None:
        return None
    return {key: found for key in keys if (found := fields.number(table, key)) is not None}


def _port_mappings(table: Mapping[str, object]) -> tuple[Mapping[str, object], ...] | None:
    entries = fields.objects(table, "portMappings")
    if entries is None:
        return None
    found: list[Mapping[str, object]] = []
    for entry in entries:
        mapping: dict[str, object] = {
            "hostPort": fields.number(entry, "hostPort") or 0,
            "containerPort": fields.number(entry, "containerPort") or 0,
        }
        for key in ("protocol", "hostIP"):
            if fields.text(entry, key):
                mapping[key] = fields.text(entry, key)
        found.append(mapping)
    return tuple(found)


def _gateways(table: Mapping[str, object]) -> tuple[str, ...] | None:
    if fields.items(table, "default-route") is None:
        return None
    found = fields.texts(table, "default-route")
    for value in found:
        if not _is_address(value):
            raise DecodeError(f"invalid IP address: {value[:100]}")
    return found
