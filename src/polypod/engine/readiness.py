"""Before the first interface: is the primary ready, and is the pod still there?"""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_interface

from polypod.cni import arguments
from polypod.cni.request import Request
from polypod.cni.result import Interface, IPConfig, Result
from polypod.engine import by_hand
from polypod.engine.doors import Doors, Pod
from polypod.errors import TryAgainError, UnavailableError

log = logging.getLogger("polypod.engine")
WAIT_S = 45.0


def wait(request: Request, doors: Doors) -> None:
    """Wait for the primary, where the operator named the file that it writes when it is ready.

    Raises:
        TryAgainError: it did not become ready in time.
    """
    if doors.ready is None or by_hand.KEY in request.config.raw:
        return
    if not doors.ready.wait(WAIT_S):
        raise TryAgainError(
            "have you checked that your default network is ready? still waiting for"
            f" readinessindicatorfile @ {doors.ready}",
            hint="the primary network writes that file; see its pods, or correct"
            " readinessIndicatorFile",
        )


def check(doors: Doors) -> None:
    """Refuse to call the node ready while the primary is not.

    Raises:
        UnavailableError: it is not.
    """
    if doors.ready is not None and not doors.ready.is_there:
        raise UnavailableError(
            f"the primary network is not ready: {doors.ready} is not there",
            hint="see the primary's pods, or correct readinessIndicatorFile",
        )


def is_gone(request: Request, pod: Pod | None, doors: Doors) -> bool:
    """Tell whether the pod that a call speaks of was deleted meanwhile."""
    if pod is not None or not doors.source.is_complete:
        return False
    given = arguments.given(request.arguments)
    return bool(given.get("K8S_POD_NAMESPACE") and given.get("K8S_POD_NAME"))


def farewell(request: Request) -> Result:
    """Return what a pod gets that is gone: nothing, in the form of an interface without address.

    An error would make the kubelet try again, though there is nothing to try for; with this it
    goes on, sees that the pod is gone, and tears the sandbox down.
    """
    log.warning("pod.gone container=%s", request.container_id)
    return Result(
        interfaces=(Interface(name=request.ifname, sandbox=request.netns),),
        ips=(IPConfig(address=ip_interface("0.0.0.0/0"), gateway=ip_address("0.0.0.0")),),  # noqa: S104 - no address
    )
