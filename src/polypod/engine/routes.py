"""Moves the default route where a pod's annotation wants it, after all its networks are there.

The documented behaviour of the annotation's default-route: other links lose theirs, per family.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from msgspec.structs import replace

from polypod.cni.result import Result, Route
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Namespaces
from polypod.errors import InvalidAnnotationError
from polypod.plan.ops import ReplaceDefaultRoute


def apply(
    attachments: Sequence[Attachment], results: Sequence[Result], namespaces: Namespaces
) -> list[Result]:
    """Replace default routes in the sandbox, and in the results, as the selections ask.

    A network that reports neither an interface nor an address cannot carry a route.
    """
    changed = list(results)
    for family, (place, gateway) in wanted(attachments).items():
        if not (results[place].interfaces or results[place].ips):
            continue
        others = tuple(a.ifname for a in attachments)
        namespaces.apply(
            ReplaceDefaultRoute(
                family=family, drop=others, ifname=attachments[place].ifname, gateway=gateway
            )
        )
        changed = [without_default(result, family) for result in changed]
        changed[place] = with_default(changed[place], gateway)
    return changed


def wanted(attachments: Sequence[Attachment]) -> dict[int, tuple[int, str]]:
    """Return, by family, the place of the attachment that asks for the default route, and via whom.

    Raises:
        InvalidAnnotationError: two gateways of one family.
    """
    found: dict[int, tuple[int, str]] = {}
    for place, attachment in enumerate(attachments):
        for gateway in attachment.default_route or ():
            family = ip_address(gateway).version
            if family in found:
                raise InvalidAnnotationError("multus does not support ECMP for default-route")
            found[family] = (place, gateway)
    return found


def _is_default(route: Route, family: int) -> bool:
    return route.dst.version == family and route.dst.network.prefixlen == 0


def without_default(result: Result, family: int) -> Result:
    """Return the result without the family's default routes, however they were spelled."""
    kept = tuple(route for route in result.routes if not _is_default(route, family))
    return replace(result, routes=kept)


def with_default(result: Result, gateway: str) -> Result:
    """Return the result with one more default route, of the gateway's family."""
    via = ip_address(gateway)
    dst = ip_interface("0.0.0.0/0" if via.version == 4 else "::/0")
    return replace(result, routes=(*result.routes, Route(dst=dst, gw=via)))
