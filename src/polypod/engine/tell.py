"""What a pod's owner reads of an ADD: an event for each interface, or one that says why not.

Nobody waits for an event, and where nobody reads any (a node without API server) none is made.
The cause of a failure is the one that the runtime is told; no configuration is ever in it.
"""

from __future__ import annotations

from collections.abc import Sequence

from polypod.cni import arguments
from polypod.cni.request import Request
from polypod.cni.result import Result
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Doors, Pod
from polypod.errors import NoNetworkError, PolypodError, TryAgainError

ADDED = "AddedInterface"
NOT_FOUND = "NoNetworkFound"
"""Both are the reference's; programs look for them."""
NO_DEVICE = "NoDeviceLeft"


def added(
    pod: Pod | None, attachments: Sequence[Attachment], results: Sequence[Result], doors: Doors
) -> None:
    """Say which interface came from which network, with which addresses."""
    if pod is None or doors.events is None:
        return
    for attachment, result in zip(attachments, results, strict=True):
        if not result.interfaces and not result.ips:
            continue
        addresses = " ".join(str(ip.address) for ip in result.ips)
        origin = f" from {attachment.display_name}" if attachment.display_name else ""
        text = f"Add {attachment.ifname} [{addresses}]{origin}"
        doors.events.tell_pod(pod.namespace, pod.name, pod.uid, reason=ADDED, message=text)


def no_device(pod: Pod, network: str, resource: str, doors: Doors) -> None:
    """Say that a network is made without the device that it wants."""
    if doors.events is None:
        return
    text = (
        f"network {network} wants a device of {resource}, and the pod has none left; hint: ask for"
        " one per network under resources.limits of a container"
    )
    doors.events.tell_pod(
        pod.namespace, pod.name, pod.uid, reason=NO_DEVICE, message=text, is_warning=True
    )


def failed(request: Request, error: PolypodError, doors: Doors) -> None:
    """Say why a pod did not get its networks, and what can be done; not what passes by itself."""
    if doors.events is None or isinstance(error, TryAgainError):
        return
    given = arguments.given(request.arguments)
    namespace, name = given.get("K8S_POD_NAMESPACE", ""), given.get("K8S_POD_NAME", "")
    if not namespace or not name:
        return
    if isinstance(error, NoNetworkError):
        reason = NOT_FOUND
    else:
        reason = f"{''.join(map(str.capitalize, error.slug.split('-')))}Error"
    hint = f"; hint: {error.hint}" if error.hint else ""
    doors.events.tell_pod(
        namespace,
        name,
        given.get("K8S_POD_UID", ""),
        reason=reason,
        message=f"{error.cause}{hint}",
        is_warning=True,
    )
