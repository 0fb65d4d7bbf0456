"""Makes links: all those of a stage in one send, under their final names and in the sandbox.

Called by door.py for a stage and by apply.py for one op. The identity of a pair's inner end
comes with the kernel's echo; that of other links is asked for in the sandbox.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from polypod.errors import KernelError, PluginError, PolypodError, UnsupportedError
from polypod.kernel import links, sysctl
from polypod.kernel.netlink import NLM_F_CREATE, NLM_F_ECHO, NLM_F_EXCL, Message
from polypod.kernel.spaces import Spaces
from polypod.plan import ops
from polypod.plan.facts import HOST, SANDBOX, Fact, LinkQuery, Query
from polypod.plan.ops import Identity, LinkMaker
from polypod.plan.outcome import Done, Effect, Failed, Outcome

_EEXIST, _EOPNOTSUPP, _ENODEV = 17, 95, 19
_NEW = NLM_F_CREATE | NLM_F_EXCL
_Answer: TypeAlias = list[Message] | KernelError


def make(makers: Sequence[LinkMaker], spaces: Spaces) -> Outcome:
    """Make links whose parents are in the host; also tell how their masters look afterwards."""
    wanted: list[Message] = []
    for op in makers:
        try:
            wanted.append(_message(op, spaces))
        except PolypodError as error:
            not_tried: list[Effect] = [None] * len(makers)
            not_tried[len(wanted)] = Failed(error)
            return Outcome(tuple(not_tried))
    pairs = {place: op for place, op in enumerate(makers) if isinstance(op, ops.AddVeth)}
    masters = list(dict.fromkeys([op.master for op in pairs.values() if op.master]))
    questions = [Message(links.RTM_GETLINK, 0, links.by_name(name)) for name in masters]
    answers = spaces.many(HOST, wanted + questions)
    _ask_for_echoes(pairs, answers, spaces)
    effects = [_effect(op, answer) for op, answer in zip(makers, answers, strict=False)]
    _tell_ports(pairs, effects, answers, spaces)
    _identify(makers, effects, spaces)
    heard: dict[Query, Fact] = {}
    for name, answer in zip(masters, answers[len(wanted) :], strict=True):
        if isinstance(answer, list) and answer:
            heard[LinkQuery(HOST, name)] = spaces.heard(HOST, answer[0].body)
    return Outcome(tuple(effects), heard)


def make_one(op: LinkMaker, spaces: Spaces) -> Identity:
    """Make one link, of any parent.

    Raises:
        PluginError: the host's state does not allow it (the reference's words).
        UnsupportedError: the kernel lacks the kind of link.
    """
    if isinstance(op, ops.AddVeth) or op.parent_where is HOST:
        (effect,) = make((op,), spaces).effects
    else:
        (answer,) = spaces.socket(SANDBOX).many((_message(op, spaces),))
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
        spaces.socket(SANDBOX).one(links.RTM_DELLINK, 0, links.header(index))
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
    master = spaces.index(HOST, op.master) if op.master else 0
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
    return found, None if op.parent_where is SANDBOX else fd


def _ask_for_echoes(
    pairs: Mapping[int, ops.AddVeth], answers: list[_Answer], spaces: Spaces
) -> None:
    """Ask for the pairs that were made without an echo: kernels before 6.2 send none."""
    silent = [place for place in pairs if answers[place] == []]
    if not silent:
        return
    names = [pairs[place].host_name for place in silent]
    questions = [Message(links.RTM_GETLINK, 0, links.by_name(name)) for name in names]
    for place, answer in zip(silent, spaces.socket(HOST).many(questions), strict=True):
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
    pairs: Mapping[int, ops.AddVeth],
    effects: list[Effect],
    answers: Sequence[_Answer],
    spaces: Spaces,
) -> None:
    """Set what a pair's outer end cannot be born with: no router advertisements, port flags."""
    made = [place for place in pairs if isinstance(effects[place], Done)]
    if not made:
        return
    with spaces.inside(HOST):
        for place in made:
            sysctl.write_if_there(f"net/ipv6/conf/{pairs[place].host_name}/accept_ra", "0")
    for place in made:
        op, answer = pairs[place], answers[place]
        if op.master and (op.hairpin or op.isolated) and isinstance(answer, list):
            effects[place] = _with_flags(op, answer, effects[place], spaces)


def _with_flags(
    op: ops.AddVeth, answer: Sequence[Message], effect: Effect, spaces: Spaces
) -> Effect:
    index = links.index_of(answer[0].body)
    body = links.port_flags(index, hairpin=op.hairpin, isolated=op.isolated)
    try:
        spaces.socket(HOST).one(links.RTM_SETLINK, 0, body)
    except KernelError as error:
        identity = effect.identity if effect is not None else None
        fault = _caused(PluginError(f"failed to set the bridge port's flags: {error.cause}"), error)
        return Failed(fault, is_partial=True, identity=identity)
    return effect


def _identify(makers: Sequence[LinkMaker], effects: list[Effect], spaces: Spaces) -> None:
    """Ask the sandbox for the links whose identity did not come with an echo."""
    unknown = [
        place
        for place, effect in enumerate(effects)
        if isinstance(effect, Done) and effect.identity is None
    ]
    if unknown:
        names = [makers[place].ifname for place in unknown]
        questions = [Message(links.RTM_GETLINK, 0, links.by_name(name)) for name in names]
        for place, answer in zip(unknown, spaces.socket(SANDBOX).many(questions), strict=True):
            if isinstance(answer, list) and answer:
                effects[place] = Done(links.identity_of(answer[0].body))
    for op, effect in zip(makers, effects, strict=True):
        if isinstance(effect, Done) and effect.identity is not None:
            spaces.keep_index(SANDBOX, op.ifname, effect.identity.index)
