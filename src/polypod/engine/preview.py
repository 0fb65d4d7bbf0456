"""What an ADD would do, without doing it: for `explain` and for dry runs."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from polypod.cni import fields, lists
from polypod.cni import request as cni_request
from polypod.cni.request import Request
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Doors, Namespaces, Pod
from polypod.engine.resolve import DEFAULT_NETWORK, NETWORKS, resolve
from polypod.errors import InvalidConfigError, PolypodError
from polypod.ipam import IPAM
from polypod.plugins import PLUGINS
from polypod.plugins._shape import Call

NETNS = "/dry-run"


def lines(namespace: str, name: str, doors: Doors) -> Iterator[str]:
    """Yield the explanation of one pod, line by line.

    Raises:
        PolypodError: the pod is unknown, or its networks cannot be resolved.
    """
    pod = doors.source.pod(namespace, name)
    if pod is None:
        raise InvalidConfigError(
            f"there is no pod {namespace}/{name}", hint="look at the folder given by --manifests"
        )
    yield f"pod {namespace}/{name}"
    for key in (DEFAULT_NETWORK, NETWORKS):
        if key in pod.annotations:
            yield f"  annotation {key}: {' '.join(pod.annotations[key].split())}"
    yield from attachments(_request(namespace, name), pod, doors)


def attachments(request: Request, pod: Pod | None, doors: Doors) -> Iterator[str]:
    """Yield what a call would attach, line by line.

    Raises:
        PolypodError: its networks cannot be resolved.
    """
    with doors.kernel.enter(sandbox=None, host=None) as namespaces:
        for attachment in resolve(request, pod, doors):
            yield from _attachment(attachment, namespaces)


def _request(namespace: str, name: str) -> Request:
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": "dry-run",
        "CNI_NETNS": NETNS,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}",
    }
    stdin = b'{"cniVersion":"1.1.0","name":"polypod","type":"polypod"}'
    return cni_request.parse(environment, stdin)


def _attachment(attachment: Attachment, namespaces: Namespaces) -> Iterator[str]:
    network = attachment.network
    role = "primary" if attachment.is_primary else "secondary"
    yield (
        f"  {attachment.ifname}: {attachment.display_name} ({role}),"
        f" network {network.name!r}, CNI {network.cni_version}"
    )
    for index in range(len(network.plugins)):
        config = lists.plugin_config(
            network, index, prev_result=None, capability_args=attachment.capabilities
        )
        yield from _plugin(config, attachment, namespaces)


def _plugin(
    config: dict[str, object], attachment: Attachment, namespaces: Namespaces
) -> Iterator[str]:
    type_ = fields.text(config, "type")
    plugin = PLUGINS.get(type_)
    if plugin is None:
        yield f"    plugin {type_}: foreign, looked for in {':'.join(attachment.path)}"
        return
    ipam_type = fields.text(fields.table(config, "ipam") or {}, "type")
    source = "built in" if ipam_type in IPAM else "foreign"
    yield f"    plugin {type_}: built in" + (
        f", addresses by {ipam_type} ({source})" if ipam_type else ""
    )
    if ipam_type:
        yield "      ops follow from the lease, which a dry run does not take"
        return
    call = Call(
        container_id="dry-run",
        ifname=attachment.ifname,
        netns=NETNS,
        network=attachment.network.name,
        cni_version=attachment.network.cni_version,
        config=config,
        arguments=attachment.arguments,
    )
    try:
        ops = plugin.plan_add(call, namespaces.look(plugin.reads(call)), None)
    except PolypodError as error:
        yield f"      would fail: {error.cause}"
        return
    for op in ops:
        yield f"      {_op(op)}"


def _op(op: msgspec.Struct) -> str:
    told = {
        key: value
        for key, value in msgspec.structs.asdict(op).items()
        if value not in ("", 0, False, None, ())
    }
    return f"{type(op).__name__}({', '.join(f'{key}={value}' for key, value in told.items())})"
