"""Gives a sandbox's link its addresses and routes in one send, and waits for what must settle."""

from __future__ import annotations

import time
from collections.abc import Sequence

from polypod.errors import KernelError, PluginError
from polypod.kernel import links, read, routes, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_EXCL, Message
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import Where

_SETTLE_S, _POLL_S = 5.0, 0.05
_OPER_UP_WAITS_S = (0.0, 0.05, 0.5, 1.0, 1.0)
_ESRCH = 3


def configure(op: ops.Configure, spaces: Spaces) -> None:
    """Write sysctls, then addresses, up and routes in one send (two when addresses must settle).

    Raises:
        PluginError: the kernel refused one of them, in the reference's words.
    """
    link = spaces.link(Where.SANDBOX, op.ifname)
    if link is None:
        raise PluginError(f'failed to lookup "{op.ifname}": Link not found')
    _sysctls(op, spaces)
    first = [
        (
            f'failed to add IP addr {routes.described_address(address)} to "{op.ifname}"',
            Message(
                routes.RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, routes.address(link.index, address)
            ),
        )
        for address in op.addresses
    ]
    if op.up:
        up = Message(links.RTM_NEWLINK, 0, links.header(link.index, links.IFF_UP, links.IFF_UP))
        first.append((f'failed to set "{op.ifname}" UP', up))
    then = [
        (
            f"failed to add route '{routes.described(route, op.ifname)}'",
            Message(routes.RTM_NEWROUTE, NLM_F_CREATE, routes.route(link.index, route)),
        )
        for route in op.routes
    ]
    if op.settle:
        _send(first, spaces)
        _settle(op.ifname, link.index, spaces)
        _send(then, spaces)
    else:
        _send(first + then, spaces)


def _send(acts: Sequence[tuple[str, Message]], spaces: Spaces) -> None:
    if not acts:
        return
    answers = spaces.socket(Where.SANDBOX).many([message for _, message in acts])
    for (what, _), answer in zip(acts, answers, strict=True):
        if isinstance(answer, KernelError):
            raise PluginError(f"{what}: {answer.cause}", hint=answer.hint) from answer


def _sysctls(op: ops.Configure, spaces: Spaces) -> None:
    has_v6 = any(":" in address for address in op.addresses)
    if not (op.sysctls or has_v6):
        return
    with spaces.inside(Where.SANDBOX):
        for spec in op.sysctls:
            if spec.required:
                sysctl.write(spec.key, spec.value)
            else:
                sysctl.write_if_there(spec.key, spec.value)
        if has_v6:
            _allow_v6(op.ifname)


def _allow_v6(ifname: str) -> None:
    """Switch IPv6 on for lo and the link, as an address of it needs."""
    for name in ("lo", ifname):
        key = f"net/ipv6/conf/{name}/disable_ipv6"
        if sysctl.read(key) not in {"0", None}:
            sysctl.write(key, "0")
    sysctl.write_if_there(f"net/ipv6/conf/{ifname}/keep_addr_on_down", "1")


def _settle(ifname: str, index: int, spaces: Spaces) -> None:
    """Wait until no IPv6 address is tentative; duplicates are an error."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        found = [a for a in read.of_index(Where.SANDBOX, index, spaces) if ":" in a.address]
        failed = next((a for a in found if a.dad_failed), None)
        if failed is not None:
            raise PluginError(
                f'failed to settle addresses for "{ifname}": link {ifname} has address'
                f" {failed.address} in DADFAILED state"
            )
        if not any(address.tentative for address in found):
            return
        if time.monotonic() >= deadline:
            link = spaces.link(Where.SANDBOX, ifname)
            if link is not None and link.operstate == "up":
                raise PluginError(
                    f'failed to settle addresses for "{ifname}": link {ifname} still has'
                    " tentative addresses after 5 seconds"
                )
            return
        time.sleep(_POLL_S)


def wait_oper_up(op: ops.WaitOperUp, spaces: Spaces) -> None:
    """Wait until a host link carries traffic."""
    state = "unknown"
    for pause_s in _OPER_UP_WAITS_S:
        if pause_s:
            time.sleep(pause_s)
        link = spaces.link(Where.HOST, op.name)
        state = link.operstate if link else "notpresent"
        if state == "up":
            return
    raise PluginError(f"bridge port in error state: {state}")


def drop_defaults(family: int, names: Sequence[str], spaces: Spaces) -> None:
    """Delete the main table's default routes of a family through these links."""
    dst = "0.0.0.0/0" if family == 4 else "::/0"
    for route in read.main_routes(Where.SANDBOX, spaces):
        link = spaces.link(Where.SANDBOX, route.device) if route.device in names else None
        if route.dst != dst or link is None:
            continue
        spec = ops.RouteSpec(dst=dst, gw=route.gw, priority=route.priority, scope=route.scope)
        try:
            body = routes.route(link.index, spec)
            spaces.socket(Where.SANDBOX).one(routes.RTM_DELROUTE, 0, body)
        except KernelError as error:
            if error.errno != _ESRCH:
                raise PluginError(f"error deleting default gateway: {error.cause}") from error
