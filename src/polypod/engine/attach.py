"""ADD: the page to read first.

A request becomes ordered attachments, each is made under the journal's eye, and if one fails all
of them are taken back. The answer is the primary's result (position 0).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from polypod.cni import arguments, versions
from polypod.cni.request import Request
from polypod.cni.result import Interface, Result
from polypod.engine import by_hand, chain, devices, readiness, routes, tell, undo
from polypod.engine.attachment import Attachment
from polypod.engine.doors import Caller, Doors, Namespaces, Pod
from polypod.engine.progress import Progress, blame
from polypod.engine.resolve import resolve
from polypod.errors import ConflictError, InvalidNetnsError, PolypodError
from polypod.nad import status
from polypod.plan.record import Record


def attach(request: Request, caller: Caller, doors: Doors) -> bytes:
    """Give a sandbox its networks and return the CNI result.

    Raises:
        PolypodError: nothing is left behind: no interface, no address, no lease, no record.
    """
    try:
        return _attach(request, caller, doors)
    except PolypodError as error:
        tell.failed(request, error, doors)
        raise


def _attach(request: Request, caller: Caller, doors: Doors) -> bytes:
    check_is_new(request, doors)
    readiness.wait(request, doors)
    doors = by_hand.widen(request, doors)
    pod = find_pod(request, doors)
    if readiness.is_gone(request, pod, doors):
        return versions.render(readiness.farewell(request), request.config.cni_version)
    attachments = resolve(request, pod, doors)
    routes.wanted(attachments)
    sandbox = request.netns if caller.sandbox is None else caller.sandbox
    with doors.kernel.enter(sandbox=sandbox, host=caller.host) as namespaces:
        check_sandbox(request, attachments, namespaces)
        if namespaces.is_same and not request.netns_override:
            raise InvalidNetnsError(
                "plugin's netns and netns from CNI_NETNS should not be the same"
            )
        made = _attach_all(request, pod, attachments, caller, doors, namespaces)
        try:
            results = routes.apply(attachments, [result for _, result in made], namespaces)
            answer = versions.render(_answer(request, results), request.config.cni_version)
            _publish(pod, attachments, results, doors)
        except PolypodError as error:
            _roll_back([record for record, _ in made], caller, doors, error)
            raise
    tell.added(pod, attachments, results, doors)
    return answer


def check_is_new(request: Request, doors: Doors) -> None:
    """Refuse a container that has its networks.

    Raises:
        ConflictError: a second ADD without a DEL.
    """
    if doors.journal.of_container(request.container_id):
        raise ConflictError(
            f"container has its networks already: interface name {request.ifname} already exists",
            hint="DEL comes before a second ADD of the same container",
        )


def check_sandbox(
    request: Request, attachments: Sequence[Attachment], namespaces: Namespaces
) -> None:
    """Refuse a namespace that is not there before any plugin runs: a foreign one might not.

    Raises:
        InvalidNetnsError: there is none at the path.
    """
    if attachments and not namespaces.has_sandbox:
        error = InvalidNetnsError(
            f"no net namespace {request.netns[:200]} found: failed to Statfs"
            f' "{request.netns[:200]}": no such file or directory',
            code=999,
        )
        blame(error, _who(request), attachments[0].network.name)
        raise error


def find_pod(request: Request, doors: Doors) -> Pod | None:
    """Return the pod that CNI_ARGS names; None when there is none or nobody knows it.

    Raises:
        ConflictError: the runtime speaks of another pod of that name.
    """
    given = arguments.given(request.arguments)
    namespace, name = given.get("K8S_POD_NAMESPACE", ""), given.get("K8S_POD_NAME", "")
    if not namespace or not name:
        return None
    uid = given.get("K8S_POD_UID", "")
    pod = doors.source.pod(namespace, name, uid)
    if pod is not None and uid and pod.uid and uid != pod.uid and not pod.static:
        raise ConflictError(
            f'expected pod UID "{uid}" but got "{pod.uid}" for {namespace}/{name}',
            hint="the pod was recreated under the same name; the runtime repeats the call",
        )
    return pod


def _attach_all(
    request: Request,
    pod: Pod | None,
    attachments: Sequence[Attachment],
    caller: Caller,
    doors: Doors,
    namespaces: Namespaces,
) -> list[tuple[Record, Result]]:
    started, who = doors.monotonic(), _who(request)
    blank = _record(request, pod, doors, namespaces)
    works = [Progress(a, _of_network(blank, a), who, started) for a in attachments]
    try:
        devices.place_files(works, doors)
        chain.add(works, namespaces, doors)
    except PolypodError as error:
        _roll_back([work.record for work in works], caller, doors, error)
        raise
    return [(work.record, work.result) for work in works if work.result is not None]


def _record(request: Request, pod: Pod | None, doors: Doors, namespaces: Namespaces) -> Record:
    """Return what the records of all networks have in common."""
    given = arguments.given(request.arguments)
    return Record(
        container_id=request.container_id,
        network="",
        ifname="",
        called=request.config.name,
        pod_namespace=given.get("K8S_POD_NAMESPACE", ""),
        pod_name=given.get("K8S_POD_NAME", ""),
        pod_uid=given.get("K8S_POD_UID", "") or (pod.uid if pod else ""),
        netns=request.netns,
        boot_id=doors.settings.boot_id,
        cookie=namespaces.cookie,
        created=doors.wall(),
    )


def _of_network(blank: Record, attachment: Attachment) -> Record:
    return msgspec.structs.replace(
        blank,
        network=attachment.network.name,
        ifname=attachment.ifname,
        display_name=attachment.display_name,
        position=attachment.position,
        cni_version=attachment.network.cni_version,
        config=attachment.network.raw,
    )


def _roll_back(
    records: Sequence[Record], caller: Caller, doors: Doors, error: PolypodError
) -> None:
    """Undo what this ADD made; what cannot be undone now stays journaled for DEL."""
    for fault in undo.records(records, caller, doors):
        error.add_note(f"undo: {fault}")


def _who(request: Request) -> str:
    """Return the pod as error texts name it."""
    given = arguments.given(request.arguments)
    return "/".join(given.get(f"K8S_POD_{key}", "") for key in ("NAMESPACE", "NAME", "UID"))


def _answer(request: Request, results: Sequence[Result]) -> Result:
    """Return the primary's result; without a primary, the first network's, or an empty one."""
    if results:
        return results[0]
    return Result(interfaces=(Interface(name=request.ifname, sandbox=request.netns),))


def _publish(
    pod: Pod | None, attachments: Sequence[Attachment], results: Sequence[Result], doors: Doors
) -> None:
    if pod is None or not attachments:
        return
    entries = [
        entry
        for attachment, result in zip(attachments, results, strict=True)
        for entry in status.entries(
            result,
            name=attachment.display_name,
            is_default=attachment.is_primary,
            device_info=devices.info_of(attachment, doors.device_files),
        )
    ]
    if entries:
        doors.status.write(pod.namespace, pod.name, status.render(tuple(entries)), pod.uid)
