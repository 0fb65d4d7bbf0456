"""One plugin called by its own name, as an ordinary CNI executable would be: no journal, no pod.

The rules are those of the reference's executables; only a failed ADD differs: it leaves nothing.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator

from msgspec.structs import replace

from polypod.cni import fields, versions
from polypod.cni.quote import quoted
from polypod.cni.request import Command, Request
from polypod.cni.result import Result
from polypod.engine import batch, execute, foreign_turn
from polypod.engine.doors import Caller, Doors, Namespaces
from polypod.errors import InvalidNetnsError, PluginError, PolypodError
from polypod.ipam import IPAM
from polypod.plan.foreign import ForeignCall
from polypod.plan.ops import SetLink
from polypod.plugins import PLUGINS, addresses
from polypod.plugins._shape import Call

TYPES = tuple(sorted((*PLUGINS, *IPAM)))
"""Every name that can be called."""
_BARE = frozenset({"loopback", "tuning"})
"""Plugins that say nothing before the reason why a namespace cannot be opened."""


def call(type_: str, request: Request, doors: Doors, caller: Caller | None = None) -> bytes:
    """Run one command of one plugin and return its stdout (empty except for ADD).

    Raises:
        PolypodError: as the reference's executable would say it.
    """
    origin = caller or Caller()
    if type_ in IPAM:
        return _IPAM_VERBS.get(request.command, _nothing)(type_, request, doors, origin)
    if type_ not in PLUGINS:
        raise PluginError(f"there is no built-in plugin {type_[:40]!r}")
    return _VERBS.get(request.command, _nothing)(type_, request, doors, origin)


def _nothing(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    """GC and STATUS of a plugin that keeps nothing."""
    del type_, request, doors, caller
    return b""


def _call(type_: str, request: Request, doors: Doors) -> Call:
    return Call(
        container_id=request.container_id,
        ifname=request.ifname,
        netns=request.netns,
        network=request.config.name,
        cni_version=request.config.cni_version,
        config=request.config.raw,
        arguments=request.arguments,
        prev_result=request.config.previous(),
        allowed_sysctls=doors.backups.allowed_sysctls() if type_ == "tuning" else None,
        seed=doors.seed(),
    )


def _delegate(type_: str, request: Request, doors: Doors) -> bytes:
    """Run an IPAM plugin that is not built in."""
    return doors.foreign.run(
        ForeignCall(
            type=type_,
            command=request.command.value,
            container_id=request.container_id,
            netns=request.netns,
            ifname=request.ifname,
            arguments=request.arguments,
            path=request.path,
            stdin=request.stdin,
        )
    )


def _lease(type_: str, this: Call, request: Request, doors: Doors) -> Result | None:
    """Ask the IPAM plugin of this type, none for an empty one."""
    if not type_:
        return None
    ipam = IPAM.get(type_)
    if ipam is not None:
        return ipam.add(batch.lease_call(this), doors.pools)
    answer = fields.decode_object(_delegate(type_, request, doors), foreign_turn.NO_RESULT)
    return versions.parse(answer, fields.text(answer, "cniVersion") or this.cni_version)


def _release(type_: str, this: Call, request: Request, doors: Doors) -> None:
    ipam = IPAM.get(type_)
    if ipam is not None:
        ipam.delete(batch.lease_call(this), doors.pools)
    elif type_:
        _delegate(type_, replace(request, command=Command.DEL), doors)


@contextlib.contextmanager
def _entered(
    type_: str, request: Request, doors: Doors, caller: Caller
) -> Generator[tuple[Namespaces, Callable[[], None]]]:
    """Open both namespaces; the second value refuses when there is no sandbox."""
    sandbox = (request.netns or None) if caller.sandbox is None else caller.sandbox
    prefix = "" if type_ in _BARE else f"failed to open netns {quoted(request.netns)}: "

    def check() -> None:
        if not namespaces.has_sandbox:
            shown = quoted(request.netns)
            cause = f"{prefix}failed to Statfs {shown}: no such file or directory"
            raise InvalidNetnsError(cause, code=999)

    with contextlib.ExitStack() as stack:
        try:
            namespaces = stack.enter_context(doors.kernel.enter(sandbox=sandbox, host=caller.host))
        except InvalidNetnsError as error:
            cause = error.cause.removeprefix(prefix)
            raise InvalidNetnsError(prefix + cause, code=error.code) from error
        yield namespaces, check


def _add(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    plugin, this = PLUGINS[type_], _call(type_, request, doors)
    with _entered(type_, request, doors, caller) as (namespaces, check_sandbox):
        facts = namespaces.look(plugin.reads(this))
        check_sandbox()
        if namespaces.is_same and not request.netns_override:
            raise InvalidNetnsError(
                "plugin's netns and netns from CNI_NETNS should not be the same"
            )
        ipam = addresses.leasing_type(type_, this.config)
        lease = _lease(ipam, this, request, doors)
        try:
            ops = plugin.plan_add(this, facts, lease)
            execute.run(ops, namespaces, doors)
            after = namespaces.look(plugin.reads_after(this, ops))
            result = plugin.result(this, ops, after, lease)
        except PolypodError as error:
            _note(error, lambda: _release(ipam, this, request, doors))
            raise
        body = "1.0.0" if _tells_newest_shape(type_, this) else None
        try:
            return versions.render(result, this.cni_version, body_version=body)
        except PolypodError as error:
            for op in plugin.plan_del(this):
                _note(error, lambda op=op: execute.run((op,), namespaces, doors))  # type: ignore[misc]
            _note(error, lambda: _release(ipam, this, request, doors))
            raise


def _tells_newest_shape(type_: str, this: Call) -> bool:
    """Tell whether the body has the newest shape under any label: lo's, when a version is named."""
    named = fields.text(this.config, "cniVersion")
    return type_ == "loopback" and this.prev_result is None and bool(named)


def _note(error: PolypodError, act: Callable[[], object]) -> None:
    try:
        act()
    except PolypodError as fault:
        error.add_note(f"undo: {fault}")


def _del(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    plugin, this = PLUGINS[type_], _call(type_, request, doors)
    with _entered(type_, request, doors, caller) as (namespaces, _):
        ops = plugin.plan_del(this)
        if not namespaces.has_sandbox:  # a sandbox that is gone took its links' settings along
            ops = tuple(op for op in ops if not isinstance(op, SetLink))
        execute.run(ops, namespaces, doors)
    _release(addresses.leasing_type(type_, this.config), this, request, doors)
    return b""


def _check(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    plugin, this = PLUGINS[type_], _call(type_, request, doors)
    with _entered(type_, request, doors, caller) as (namespaces, check_sandbox):
        facts = namespaces.look(plugin.check_reads(this))
        check_sandbox()
        _check_lease(addresses.leasing_type(type_, this.config), this, request, doors)
        plugin.check(this, facts)
    return b""


def _check_lease(type_: str, this: Call, request: Request, doors: Doors) -> None:
    ipam = IPAM.get(type_)
    if ipam is not None:
        ipam.check(batch.lease_call(this), doors.pools)
    elif type_:
        _delegate(type_, request, doors)


def _ipam_add(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    del caller
    this = batch.lease_call(_call(type_, request, doors))
    result = IPAM[type_].add(this, doors.pools)
    try:
        return versions.render(result, this.cni_version)
    except PolypodError as error:
        _note(error, lambda: IPAM[type_].delete(this, doors.pools))
        raise


def _ipam_del(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    del caller
    IPAM[type_].delete(batch.lease_call(_call(type_, request, doors)), doors.pools)
    return b""


def _ipam_check(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    del caller
    IPAM[type_].check(batch.lease_call(_call(type_, request, doors)), doors.pools)
    return b""


def _status(type_: str, request: Request, doors: Doors, caller: Caller) -> bytes:
    """STATUS is passed on to an IPAM plugin that is not built in."""
    del caller
    delegated = addresses.leasing_type(type_, request.config.raw)
    if delegated and delegated not in IPAM:
        _delegate(delegated, request, doors)
    return b""


_VERBS = {
    Command.ADD: _add,
    Command.DEL: _del,
    Command.CHECK: _check,
    Command.STATUS: _status,
}
_IPAM_VERBS = {Command.ADD: _ipam_add, Command.DEL: _ipam_del, Command.CHECK: _ipam_check}
