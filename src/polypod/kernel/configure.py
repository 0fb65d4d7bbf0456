"""Gives a sandbox's link its addresses and routes in one send, and waits for what must settle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from polypod.errors import KernelError, PluginError, PolypodError
from polypod.kernel import links, read, routes, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_EXCL, Message
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import HOST, SANDBOX, Fact, LinkQuery, Query
from polypod.plan.outcome import Done, Effect, Failed, Outcome

_SETTLE_S, _POLL_S = 5.0, 0.05
_OPER_UP_WAITS_S = (0.0, *(0.0002 * 2**step for step in range(12)), 0.8, 0.9)
"""2.5 s in all, as the reference waits; the kernel needs less than a millisecond when idle."""
_ESRCH = 3
_IPV4_SETTINGS = {"arp_notify": 22}
"""IPV4_DEVCONF_ARP_NOTIFY of linux/ip.h: what a message can set costs no file in /proc, and opening
that takes the kernel longer than giving the link its address."""


class _Act(msgspec.Struct, frozen=True):
    """One message of one op, and what to say when the kernel refuses it; None: nobody minds."""

    place: int
    message: Message
    words: Callable[[], str] | None


def configure(op: ops.Configure, spaces: Spaces) -> None:
    """Configure one link.

    Raises:
        PluginError: the kernel refused one of its settings, in the reference's words.
    """
    (effect,) = together((op,), spaces).effects
    if isinstance(effect, Failed):
        raise effect.error


def together(configures: Sequence[ops.Configure], spaces: Spaces) -> Outcome:
    """Configure links: all sysctls, then all addresses, ups and routes in one send, in order.

    With addresses that must settle it is two: routes follow when they have. The links are asked
    for in the same send, so that nobody has to look at them afterwards.
    """
    effects: list[Effect] = [None] * len(configures)
    indexes = [spaces.index(SANDBOX, op.ifname) for op in configures]
    place = indexes.index(0) if 0 in indexes else len(configures)
    if place < len(configures):
        name = configures[place].ifname
        effects[place] = Failed(PluginError(f'failed to lookup "{name}": Link not found'))
        return Outcome(tuple(effects))
    if not _write_sysctls(configures, effects, spaces):
        return Outcome(tuple(effects))
    heard = _carry_out(configures, indexes, effects, spaces)
    return Outcome(tuple(effects), heard)


def _carry_out(
    configures: Sequence[ops.Configure],
    indexes: Sequence[int],
    effects: list[Effect],
    spaces: Spaces,
) -> dict[Query, Fact]:
    acts: list[_Act] = []
    later: list[_Act] = []
    must_settle = any(op.settle for op in configures)
    for place, (op, index) in enumerate(zip(configures, indexes, strict=True)):
        effects[place] = Done()
        acts += _links_acts(place, op, index)
        (later if must_settle else acts).extend(_route_acts(place, op, index))
    questions = [Message(links.RTM_GETLINK, 0, links.by_index(index)) for index in indexes]
    told = _send(acts, questions, effects, spaces)
    if must_settle and all(isinstance(effect, Done) for effect in effects):
        for place, (op, index) in enumerate(zip(configures, indexes, strict=True)):
            if op.settle:
                _try_to_settle(place, op.ifname, index, effects, spaces)
        told = _send(later, questions, effects, spaces)
    found = (spaces.heard(SANDBOX, answer[0].body) for answer in told if answer)
    return {LinkQuery(SANDBOX, link.name): link for link in found}


def _links_acts(place: int, op: ops.Configure, index: int) -> list[_Act]:
    flags = NLM_F_CREATE | NLM_F_EXCL
    found = _settings_acts(place, op, index)
    found += [
        _Act(
            place,
            Message(routes.RTM_NEWADDR, flags, routes.address(index, address)),
            partial(_address_words, address, op.ifname),
        )
        for address in op.addresses
    ]
    if op.up:
        up = Message(links.RTM_NEWLINK, 0, links.header(index, links.IFF_UP, links.IFF_UP))
        found.append(_Act(place, up, partial(_up_words, op.ifname)))
    return found


def _settings_acts(place: int, op: ops.Configure, index: int) -> list[_Act]:
    """Return one message for all sysctls that need no file; it comes before the link is up."""
    found = {
        _IPV4_SETTINGS[spec.key.rsplit("/", 1)[1]]: int(spec.value)
        for spec in op.sysctls
        if _is_told(spec, op.ifname)
    }
    if not found:
        return []
    message = Message(links.RTM_NEWLINK, 0, links.ipv4_settings(index, found))
    return [_Act(place, message, None)]


def _is_told(spec: ops.SysctlSpec, ifname: str) -> bool:
    """Tell whether a sysctl of the link is set by a message."""
    folder, _, name = spec.key.rpartition("/")
    is_links = folder == f"net/ipv4/conf/{ifname}" and not spec.required
    return is_links and name in _IPV4_SETTINGS and spec.value.isdecimal()


def _route_acts(place: int, op: ops.Configure, index: int) -> list[_Act]:
    return [
        _Act(
            place,
            Message(routes.RTM_NEWROUTE, NLM_F_CREATE, routes.route(index, route)),
            partial(_route_words, route, op.ifname),
        )
        for route in op.routes
    ]


def _address_words(address: str, ifname: str) -> str:
    return f'failed to add IP addr {routes.described_address(address)} to "{ifname}"'


def _up_words(ifname: str) -> str:
    return f'failed to set "{ifname}" UP'


def _route_words(route: ops.RouteSpec, ifname: str) -> str:
    return f"failed to add route '{routes.described(route, ifname)}'"


def _send(
    acts: Sequence[_Act], questions: Sequence[Message], effects: list[Effect], spaces: Spaces
) -> list[list[Message]]:
    """Send acts and questions; a refused act is its op's failure, the first one counts."""
    answers = spaces.many(SANDBOX, [*(act.message for act in acts), *questions])
    for act, answer in zip(acts, answers, strict=False):
        if act.words is None or not isinstance(answer, KernelError):
            continue
        if not isinstance(effects[act.place], Failed):
            error = PluginError(f"{act.words()}: {answer.cause}", hint=answer.hint)
            error.__cause__ = answer
            effects[act.place] = Failed(error)
    return [answer for answer in answers[len(acts) :] if not isinstance(answer, KernelError)]


def _write_sysctls(
    configures: Sequence[ops.Configure], effects: list[Effect], spaces: Spaces
) -> bool:
    """Write what needs a file; tell whether all could be written."""
    if not any(op.sysctls or _has_v6(op) for op in configures):
        return True
    with spaces.inside(SANDBOX):
        for place, op in enumerate(configures):
            try:
                _sysctls_of(op)
            except PluginError as error:
                effects[place] = Failed(error)
                return False
    return True


def _sysctls_of(op: ops.Configure) -> None:
    for spec in op.sysctls:
        if _is_told(spec, op.ifname):
            continue
        if spec.required:
            sysctl.write(spec.key, spec.value)
        else:
            sysctl.write_if_there(spec.key, spec.value)
    if _has_v6(op):
        _allow_v6(op.ifname)


def _has_v6(op: ops.Configure) -> bool:
    return any(":" in address for address in op.addresses)


def _allow_v6(ifname: str) -> None:
    """Switch IPv6 on for lo and the link, as an address of it needs."""
    for name in ("lo", ifname):
        key = f"net/ipv6/conf/{name}/disable_ipv6"
        if sysctl.read(key) not in {"0", None}:
            sysctl.write(key, "0")
    sysctl.write_if_there(f"net/ipv6/conf/{ifname}/keep_addr_on_down", "1")


def _try_to_settle(
    place: int, ifname: str, index: int, effects: list[Effect], spaces: Spaces
) -> None:
    try:
        _settle(ifname, index, spaces)
    except PolypodError as error:
        effects[place] = Failed(error)


def _settle(ifname: str, index: int, spaces: Spaces) -> None:
    """Wait until no IPv6 address is tentative; duplicates are an error."""
    deadline = time.monotonic() + _SETTLE_S
    while True:
        found = [a for a in read.of_index(SANDBOX, index, spaces) if ":" in a.address]
        failed = next((a for a in found if a.dad_failed), None)
        if failed is not None:
            raise PluginError(
                f'failed to settle addresses for "{ifname}": link {ifname} has address'
                f" {failed.address} in DADFAILED state"
            )
        if not any(address.tentative for address in found):
            return
        if time.monotonic() >= deadline:
            link = spaces.link(SANDBOX, ifname)
            if link is not None and link.operstate == "up":
                raise PluginError(
                    f'failed to settle addresses for "{ifname}": link {ifname} still has'
                    " tentative addresses after 5 seconds"
                )
            return
        with spaces.turn.aside:
            time.sleep(_POLL_S)


def wait_oper_up(op: ops.WaitOperUp, spaces: Spaces) -> None:
    """Wait until one host link carries traffic.

    Raises:
        PluginError: it does not, in the reference's words.
    """
    (effect,) = wait_all_up((op,), spaces).effects
    if isinstance(effect, Failed):
        raise effect.error


def wait_all_up(waits: Sequence[ops.WaitOperUp], spaces: Spaces) -> Outcome:
    """Wait until host links carry traffic: the kernel says so shortly after both ends are up."""
    left = dict(enumerate(waits))
    states = dict.fromkeys(left, "notpresent")
    heard: dict[Query, Fact] = {}
    for pause_s in _OPER_UP_WAITS_S:
        if pause_s:
            with spaces.turn.aside:
                time.sleep(pause_s)
        questions = [Message(links.RTM_GETLINK, 0, links.by_name(op.name)) for op in left.values()]
        answers = spaces.socket(HOST).many(questions)
        for (place, op), answer in zip(list(left.items()), answers, strict=True):
            if isinstance(answer, KernelError) or not answer:
                continue
            link = spaces.heard(HOST, answer[0].body)
            states[place] = link.operstate
            if link.operstate == "up":
                heard[LinkQuery(HOST, op.name)] = link
                del left[place]
        if not left:
            break
    return Outcome(tuple(_waited(place, left, states) for place in range(len(waits))), heard)


def _waited(place: int, left: Mapping[int, ops.WaitOperUp], states: Mapping[int, str]) -> Effect:
    if place not in left:
        return Done()
    return Failed(PluginError(f"bridge port in error state: {states[place]}"))


def drop_defaults(family: int, names: Sequence[str], spaces: Spaces) -> None:
    """Delete the main table's default routes of a family through these links."""
    dst = "0.0.0.0/0" if family == 4 else "::/0"
    for route in read.main_routes(SANDBOX, spaces):
        link = spaces.link(SANDBOX, route.device) if route.device in names else None
        if route.dst != dst or link is None:
            continue
        spec = ops.RouteSpec(dst=dst, gw=route.gw, priority=route.priority, scope=route.scope)
        try:
            body = routes.route(link.index, spec)
            spaces.socket(SANDBOX).one(routes.RTM_DELROUTE, 0, body)
        except KernelError as error:
            if error.errno != _ESRCH:
                raise PluginError(f"error deleting default gateway: {error.cause}") from error
