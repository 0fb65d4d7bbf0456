"""DEL of a pod that was attached before the node was ours: by Multus, or by the primary alone.

Our journal does not know it. What the runtime called itself is run with DEL as libcni kept it.
Multus's own cache has its delegates, and each is run with DEL as
Multus would have run it: the last network first, and in a list the last plugin first. A type that
is built in and has no executable any more is ours to run; ours goes after the executable, too, when
the sandbox is gone, for then the reference leaves masquerading and spoof checks behind.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from msgspec.structs import replace

from polypod.cni import config as cni_config
from polypod.cni import encode, fields, lists, node
from polypod.cni.request import Command, Request
from polypod.engine import multus_records, resolve, single
from polypod.engine.doors import Caller, Doors, SandboxCache
from polypod.engine.multus_records import Delegate
from polypod.errors import DecodeError, NotStartedError, PolypodError
from polypod.plan.foreign import ForeignCall

log = logging.getLogger("polypod.engine")
_WITHOUT_RESULT = frozenset({"", "0.1.0", "0.2.0", "0.3.0", "0.3.1"})


def detach(request: Request, caller: Caller, doors: Doors) -> None:
    """Take back what Multus attached to a container; one that it does not know is success.

    A cache file that makes no sense is left where it is, as Multus leaves it.

    Raises:
        PolypodError: a plugin failed; the file stays, and DEL may be repeated.
    """
    cache = doors.cache
    if cache is None:
        return
    content = cache.delegates(request.container_id)
    if content is None:
        _detach_plain(request, caller, doors, cache)
        return
    try:
        found = multus_records.delegates(content, request)
    except PolypodError as error:
        log.error("takeover.unreadable cause=%r", error.cause)  # noqa: TRY400 - no defect of ours
        return
    faults: list[PolypodError] = []
    for one in reversed(found):
        faults.extend(_delete(one, request, caller, doors, cache))
    _raise(faults)
    cache.forget(request.container_id)
    log.info("takeover.done container=%s networks=%d", request.container_id, len(found))


def _detach_plain(request: Request, caller: Caller, doors: Doors, cache: SandboxCache) -> None:
    """Take back what the primary attached when the runtime called it itself."""
    kept = cache.of_runtime(request.container_id, request.ifname)
    if kept is None:
        return
    try:
        table = fields.decode_object(kept, "kept result")
        one = Delegate(
            network=lists.parse_list(multus_records.decoded(table, "config")),
            ifname=request.ifname,
            capabilities=fields.table(table, "capabilityArgs") or {},
        )
        previous = fields.table(table, "result")
    except PolypodError as error:
        log.error("takeover.unreadable cause=%r", error.cause)  # noqa: TRY400 - no defect of ours
        return
    if one.network.cni_version in _WITHOUT_RESULT:
        previous = None
    _raise(_delete_plugins(one, one.capabilities, previous, request, caller, doors))
    cache.forget_of_runtime(request.container_id, request.ifname)
    log.info("takeover.done container=%s networks=1", request.container_id)


def _raise(faults: list[PolypodError]) -> None:
    """Raise the first, with the others as notes."""
    for other in faults[1:]:
        faults[0].add_note(str(other))
    if faults:
        raise faults[0]


def _delete(
    one: Delegate, request: Request, caller: Caller, doors: Doors, cache: SandboxCache
) -> list[PolypodError]:
    told = dict(one.capabilities)
    files = doors.device_files if one.device_file else None
    if files is not None:
        told["CNIDeviceInfoFile"] = files.path(one.device_file)
    previous = _previous(one, request, cache)
    faults = _delete_plugins(one, told, previous, request, caller, doors)
    if not faults:
        cache.forget_result(one.network.name, request.container_id, one.ifname)
        if files is not None:
            files.remove(one.device_file)
    return faults


def _delete_plugins(
    one: Delegate,
    told: Mapping[str, object],
    previous: Mapping[str, object] | None,
    request: Request,
    caller: Caller,
    doors: Doors,
) -> list[PolypodError]:
    """Run the plugins of a network, the last one first; return what went wrong on the way."""
    network, faults = one.network, list[PolypodError]()
    for index in reversed(range(len(network.plugins))):
        config = lists.plugin_config(network, index, prev_result=previous, capability_args=told)
        try:
            _run(config, one.ifname, request, caller, doors)
        except NotStartedError as error:  # nobody could ever get rid of such a pod
            log.warning("takeover.skipped network=%s cause=%r", network.name, error.cause)
        except PolypodError as error:
            faults.append(error)
    return faults


def _previous(one: Delegate, request: Request, cache: SandboxCache) -> Mapping[str, object] | None:
    """Return the result that libcni kept; plugins before 0.4.0 are not shown any."""
    if one.network.cni_version in _WITHOUT_RESULT:
        return None
    kept = cache.result(one.network.name, request.container_id, one.ifname)
    try:
        return fields.table(fields.decode_object(kept, "kept result"), "result") if kept else None
    except DecodeError:
        return None


def _run(
    config: Mapping[str, object], ifname: str, request: Request, caller: Caller, doors: Doors
) -> None:
    """Run one plugin's DEL: its executable where there is one, else the built-in."""
    type_ = fields.text(config, "type")
    path, arguments = resolve.search_path(request, doors), resolve.pod_arguments(request, None)
    stdin = encode.compact(config)
    if type_ in node.META_PLUGINS:
        raise NotStartedError(f"{type_} would call itself")
    is_builtin, has_executable = type_ in single.TYPES, doors.foreign.has(type_, path)
    if has_executable or not is_builtin:
        doors.foreign.run(
            ForeignCall(
                type=type_,
                command="DEL",
                container_id=request.container_id,
                netns=request.netns,
                ifname=ifname,
                arguments=arguments,
                path=path,
                stdin=stdin,
            )
        )
    if is_builtin and not (has_executable and _has_sandbox(request, caller, doors)):
        own = replace(
            request,
            command=Command.DEL,
            ifname=ifname,
            arguments=arguments,
            stdin=stdin,
            config=cni_config.build(config),
        )
        single.call(type_, own, doors, caller)


def _has_sandbox(request: Request, caller: Caller, doors: Doors) -> bool:
    sandbox = (request.netns or None) if caller.sandbox is None else caller.sandbox
    with doors.kernel.enter(sandbox=sandbox, host=caller.host) as namespaces:
        return namespaces.has_sandbox
