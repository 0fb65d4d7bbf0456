"""Makes links: all those of a stage in one send, under their final names and in the sandbox.

Called by door.py for a stage and by apply.py for one op. The identity of a pair's inner end
comes with the kernel's echo; that of other links is asked for in the sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from polypod.errors import KernelError, PluginError, PolypodError, UnsupportedError
from polypod.kernel import links, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, Message
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import Fact, LinkQuery, Query, Where
from polypod.plan.ops import Identity, LinkMaker
from polypod.plan.outcome import Done, Effect, Failed, Outcome

_EEXIST, _EOPNOTSUPP, _ENODEV = 17, 95, 19
_NEW = NLM_F_CREATE | NLM_F_EXCL
_Answer: TypeAlias = list[Message] | KernelError


def make(makers: Sequence[LinkMaker], spaces: Spaces) -> Outcome:
    """Make links whose parents are in the host; also tell how their masters look afterwards."""
    effects: list[Effect] = [None] * len(makers)
    wanted: list[tuple[int, Message]] = []
    for place, op in enumerate(makers):
        try:
            wanted.append((place, _message(op, spaces)))
        except PolypodError as error:
            effects[place] = Failed(error)
            return Outcome(tuple(effects))
    masters = tuple(dict.fromkeys(op.master for op in makers if isinstance(op, ops.AddVeth)))
    questions = [Message(links.RTM_GETLINK, 0, links.by_name(name)) for name in masters if name]
    answers = spaces.many(Where.HOST, [*(message for _, message in wanted), *questions])
    _ask_for_echoes(makers, answers, spaces)
    for (place, _), answer in zip(wanted, answers, strict=False):
        effects[place] = _effect(makers[place], answer)
    _tell_ports(makers, effects, answers, spaces)
    _identify(makers, effects, spaces)
    heard: dict[Query, Fact] = {}
    for name, answer in zip(filter(None, masters), answers[len(wanted) :], strict=True):
        if isinstance(answer, list) and answer:
            heard[LinkQuery(Where.HOST, name)] = spaces.heard(Where.HOST, answer[0].body)
    return Outcome(tuple(effects), heard)


def make_one(op: LinkMaker, spaces: Spaces) -> Identity:
    """Make one link, of any parent.

    Raises:
        PluginError: the host's state does not allow it (the reference's words).
        UnsupportedError: the kernel lacks the kind of link.
    """
    if isinstance(op, ops.AddVeth) or op.parent_where is Where.HOST:
        (effect,) = make((op,), spaces).effects
    else:
        (answer,) = spaces.socket(Where.SANDBOX).many((_message(op, spaces),))
        effects = [_effect(op, answer)]
        _identify((op,), effects, spaces)
        effect = effects[0]
    if isinstance(effect, Failed):
        if effect.identity is not None:
            remove(effect.identity.index, spaces)
        raise effect.error
    if effect is None or effect.identity is None:
        raise PluginError(f'failed to refetch "{op.ifname}": Link not found')
    return effect.identity


def remove(index: int, spaces: Spaces) -> None:
    """Delete a link of the sandbox by its index; missing is fine.

    Raises:
        PluginError: the kernel refuses.
    """
    try:
        spaces.socket(Where.SANDBOX).one(links.RTM_DELLINK, 0, links.header(index))
    except KernelError as error:
        if error.errno != _ENODEV:
            raise PluginError(f"failed to delete the interface: {error.cause}") from error


def _message(op: LinkMaker, spaces: Spaces) -> Message:
    if isinstance(op, ops.AddVeth):
        return Message(links.RTM_NEWLINK, _NEW | NLM_F_ECHO, _veth(op, spaces))
    return Message(links.RTM_NEWLINK, _NEW, _child(op, spaces))


def _child(op: ops.AddMacvlan | ops.AddIpvlan, spaces: Spaces) -> bytes:
    parent, sandbox = _parent(op, spaces)
    if isinstance(op, ops.AddIpvlan):
        return links.ipvlan(
            ifname=op.ifname, parent=parent, sandbox=sandbox, mode=op.mode, mtu=op.mtu
        )
    return links.macvlan(
        ifname=op.ifname,
        parent=parent,
        sandbox=sandbox,
        mode=op.mode,
        mtu=op.mtu,
        mac=op.mac,
        queue=op.bc_queue_len,
    )


def _veth(op: ops.AddVeth, spaces: Spaces) -> bytes:
    master = spaces.index(Where.HOST, op.master) if op.master else 0
    if op.master and not master:
        raise PluginError(f'failed to lookup "{op.master}": Link not found')
    try:
        return links.veth(
            host_name=op.host_name,
            ifname=op.ifname,
            sandbox=spaces.sandbox_fd,
            master=master,
            mtu=op.mtu,
            mac=op.mac,
        )
    except PluginError as error:
        raise PluginError(f"failed to make veth pair: {error.cause}") from error


def _parent(op: ops.AddMacvlan | ops.AddIpvlan, spaces: Spaces) -> tuple[int, int | None]:
    """Return the parent's index and, when it is in the host, the sandbox's descriptor."""
    fd = spaces.sandbox_fd
    found = spaces.index(op.parent_where, op.parent)
    if not found:
        raise PluginError(f'failed to lookup master "{op.parent}": Link not found')
    return found, None if op.parent_where is Where.SANDBOX else fd


def _ask_for_echoes(makers: Sequence[LinkMaker], answers: list[_Answer], spaces: Spaces) -> None:
    """Ask for the pairs that were made without an echo: kernels before 6.2 send none."""
    silent = [
        (place, Message(links.RTM_GETLINK, 0, links.by_name(op.host_name)))
        for place, (op, answer) in enumerate(zip(makers, answers, strict=False))
        if isinstance(op, ops.AddVeth) and answer == []
    ]
    if not silent:
        return
    heard = spaces.socket(Where.HOST).many([question for _, question in silent])
    for (place, _), answer in zip(silent, heard, strict=True):
        answers[place] = answer


def _effect(op: LinkMaker, answer: _Answer) -> Effect:
    if isinstance(op, ops.AddVeth):
        if isinstance(answer, KernelError):
            return Failed(_pair_error(op, answer))
        return Done(Identity(index=links.peer_of(answer[0].body), mac=op.mac.lower()))
    if isinstance(answer, KernelError):
        return Failed(_child_error(op, answer))
    return Done()


def _pair_error(op: ops.AddVeth, error: KernelError) -> PolypodError:
    if error.errno == _EEXIST:
        text = f'container veth name ("{op.ifname}") peer provided ("{op.host_name}")'
        return _caused(PluginError(f"{text} already exists"), error)
    return _caused(PluginError(f"failed to make veth pair: {error.cause}", hint=error.hint), error)


def _child_error(op: ops.AddMacvlan | ops.AddIpvlan, error: KernelError) -> PolypodError:
    kind = "macvlan" if isinstance(op, ops.AddMacvlan) else "ipvlan"
    if error.errno == _EEXIST:
        return _caused(PluginError(f'failed to rename {kind} to "{op.ifname}": file exists'), error)
    if error.errno == _EOPNOTSUPP:
        return _caused(
            UnsupportedError(
                f"failed to create {kind}: operation not supported",
                hint=f"this kernel lacks {kind}: load the module, or use another kernel",
                code=999,
            ),
            error,
        )
    return _caused(PluginError(f"failed to create {kind}: {error.cause}", hint=error.hint), error)


def _caused(error: PolypodError, cause: KernelError) -> PolypodError:
    error.__cause__ = cause
    return error


def _tell_ports(
    makers: Sequence[LinkMaker], effects: list[Effect], answers: Sequence[_Answer], spaces: Spaces
) -> None:
    """Set what a pair's outer end cannot be born with: no router advertisements, port flags."""
    pairs = [
        (place, links.index_of(answer[0].body))
        for place, (effect, answer) in enumerate(zip(effects, answers, strict=False))
        if isinstance(makers[place], ops.AddVeth)
        and isinstance(effect, Done)
        and isinstance(answer, list)
    ]
    if not pairs:
        return
    with spaces.inside(Where.HOST):
        for op in (makers[place] for place, _ in pairs):
            if isinstance(op, ops.AddVeth):
                sysctl.write_if_there(f"net/ipv6/conf/{op.host_name}/accept_ra", "0")
    for place, index in pairs:
        _set_flags(place, index, makers[place], effects, spaces)


def _set_flags(
    place: int, index: int, op: LinkMaker, effects: list[Effect], spaces: Spaces
) -> None:
    if not isinstance(op, ops.AddVeth) or not op.master or not (op.hairpin or op.isolated):
        return
    body = links.port_flags(index, hairpin=op.hairpin, isolated=op.isolated)
    try:
        spaces.socket(Where.HOST).one(links.RTM_SETLINK, 0, body)
    except KernelError as error:
        made = effects[place]
        identity = made.identity if isinstance(made, Done) else None
        fault = _caused(PluginError(f"failed to set the bridge port's flags: {error.cause}"), error)
        effects[place] = Failed(fault, is_partial=True, identity=identity)


def _identify(makers: Sequence[LinkMaker], effects: list[Effect], spaces: Spaces) -> None:
    """Ask the sandbox for the links whose identity did not come with an echo."""
    unknown = [
        place
        for place, effect in enumerate(effects)
        if isinstance(effect, Done) and effect.identity is None
    ]
    questions = [
        Message(links.RTM_GETLINK, 0, links.by_name(makers[place].ifname)) for place in unknown
    ]
    answers = spaces.socket(Where.SANDBOX).many(questions) if questions else []
    for place, answer in zip(unknown, answers, strict=True):
        if isinstance(answer, list) and answer:
            effects[place] = Done(links.identity_of(answer[0].body))
    for op, effect in zip(makers, effects, strict=True):
        if isinstance(effect, Done) and effect.identity is not None:
            spaces.keep_index(Where.SANDBOX, op.ifname, effect.identity.index)
