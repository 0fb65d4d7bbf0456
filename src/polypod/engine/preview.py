"""What an ADD would do, without doing it: for `explain` and for dry runs.

It is given doors that only look: their pools choose addresses and take none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import cast

import msgspec
from msgspec.structs import replace

from polypod.cni import fields, idle, lists
from polypod.cni import request as cni_request
from polypod.cni.request import Request
from polypod.cni.result import Interface, Result
from polypod.engine import batch
from polypod.engine.attachment import Attachment, built_in
from polypod.engine.doors import Doors, Namespaces, Pod
from polypod.engine.resolve import DEFAULT_NETWORK, NETWORKS, resolve
from polypod.errors import InvalidConfigError, PolypodError
from polypod.ipam import IPAM
from polypod.nad import selection
from polypod.plan.facts import Facts, Link, LinkQuery, Query, Where
from polypod.plan.ops import SHARED
from polypod.plugins import PLUGINS, addresses
from polypod.plugins._shape import Call

NETNS, CONTAINER = "/dry-run", "dry-run"


class _Promise(Mapping[str, tuple[str, ...]]):
    """As many devices of any resource as a pod may have networks, by names that say so."""

    def __getitem__(self, resource: str) -> tuple[str, ...]:
        return tuple(f"{resource}-{number}" for number in range(1, selection.MAX_NETWORKS + 1))

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class _Promises:
    """What a pod would have, were it there: nobody is asked."""

    def of_pod(self, namespace: str, name: str, uid: str) -> Mapping[str, tuple[str, ...]]:
        """Return a promise."""
        del namespace, name, uid
        return _Promise()


def lines(namespace: str, name: str, doors: Doors) -> Iterator[str]:
    """Yield the explanation of one pod, line by line.

    Raises:
        PolypodError: the pod is unknown, or its networks cannot be resolved.
    """
    pod = doors.source.pod(namespace, name)
    if pod is None:
        raise InvalidConfigError(
            f"there is no pod {namespace}/{name}", hint="look at the folder given by --manifests"
        )
    yield f"pod {namespace}/{name}"
    for key in (DEFAULT_NETWORK, NETWORKS):
        if key in pod.annotations:
            yield f"  annotation {key}: {' '.join(pod.annotations[key].split())}"
    yield from attachments(_request(namespace, name), pod, doors)


def attachments(request: Request, pod: Pod | None, doors: Doors) -> Iterator[str]:
    """Yield what a call would attach, line by line.

    Raises:
        PolypodError: its networks cannot be resolved.
    """
    with doors.kernel.enter(sandbox=None, host=None) as namespaces:
        for attachment in resolve(request, pod, dataclasses.replace(doors, devices=_Promises())):
            yield from _attachment(attachment, namespaces, doors)


def _request(namespace: str, name: str) -> Request:
    environment = {
        "CNI_COMMAND": "ADD",
        "CNI_CONTAINERID": CONTAINER,
        "CNI_NETNS": NETNS,
        "CNI_IFNAME": "eth0",
        "CNI_PATH": "/opt/cni/bin",
        "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE={namespace};K8S_POD_NAME={name}",
    }
    stdin = b'{"cniVersion":"1.1.0","name":"polypod","type":"polypod"}'
    return cni_request.parse(environment, stdin)


def _attachment(attachment: Attachment, namespaces: Namespaces, doors: Doors) -> Iterator[str]:
    network = attachment.network
    role = "primary" if attachment.is_primary else "secondary"
    yield (
        f"  {attachment.ifname}: {attachment.display_name} ({role}),"
        f" network {network.name!r}, CNI {network.cni_version}"
    )
    yield from _asked(attachment)
    prev: Result | None = None
    for index in range(len(network.plugins)):
        config = lists.plugin_config(
            network, index, prev_result=None, capability_args=attachment.capabilities
        )
        if index and idle.is_idle(config):
            yield f"    plugin {fields.text(config, 'type')}: not run, it has nothing to do here"
            continue
        prev = yield from _plugin(config, attachment, prev, namespaces, doors)


def _asked(attachment: Attachment) -> Iterator[str]:
    """Yield what the selection asks for beside the network."""
    asked = {key: value for key, value in attachment.capabilities.items() if value}
    if attachment.default_route:
        asked["default-route"] = list(attachment.default_route)
    if asked:
        yield f"    asks for {', '.join(f'{key} {shown(asked[key])}' for key in sorted(asked))}"


def _plugin(
    config: dict[str, object],
    attachment: Attachment,
    prev: Result | None,
    namespaces: Namespaces,
    doors: Doors,
) -> Generator[str, None, Result | None]:
    """Yield one plugin's plan; return about what it would report, None when that is not known."""
    type_ = fields.text(config, "type")
    plugin = built_in(PLUGINS, type_, attachment, doors)
    if plugin is None:
        yield f"    plugin {type_}: {_foreign(type_, attachment, doors)}"
        return None
    call = Call(
        container_id=CONTAINER,
        ifname=attachment.ifname,
        netns=NETNS,
        network=attachment.network.name,
        cni_version=attachment.network.cni_version,
        config=config,
        arguments=attachment.arguments,
        prev_result=prev,
        allowed_sysctls=doors.backups.allowed_sysctls() if type_ == "tuning" else None,
    )
    ipam_type = addresses.leasing_type(type_, config)
    ipam = built_in(IPAM, ipam_type, attachment, doors)
    source = "built in" if ipam is not None else _foreign(ipam_type, attachment, doors)
    leased = f", addresses by {ipam_type} ({source})" if ipam_type else ""
    yield f"    plugin {type_}: built in{leased}"
    if ipam_type and ipam is None:
        yield "      its ops follow from the lease, which a dry run does not take"
        return None
    try:
        lease = None if ipam is None else ipam.add(batch.lease_call(call), doors.pools)
        ops = plugin.plan_add(call, _facts(plugin.reads(call), call, namespaces), lease)
    except PolypodError as error:
        yield f"      would fail: {error.cause}"
        return None
    for op in ops:
        yield f"      {shown(op)}{'  (shared: stays on DEL)' if isinstance(op, SHARED) else ''}"
    return _about(call, lease)


def _foreign(type_: str, attachment: Attachment, doors: Doors) -> str:
    """Tell where a plugin that is not built in is looked for, and whether it is there."""
    found = "found" if doors.foreign.has(type_, attachment.path) else "not found"
    return f"foreign, {found} in {':'.join(attachment.path)}"


def _facts(queries: Sequence[Query], call: Call, namespaces: Namespaces) -> Facts:
    """Look, and take the interface that an earlier plugin of the chain makes for granted."""
    found = namespaces.look(queries)
    own = LinkQuery(Where.SANDBOX, call.ifname)
    if call.prev_result is None or found.answers.get(own) is not None:
        return found
    made = Link(name=call.ifname, index=0, up=True)
    return Facts({query: made if query == own else found.answers[query] for query in queries})


def _about(call: Call, lease: Result | None) -> Result:
    """Return a result that a next plugin of the chain can plan with."""
    before = call.prev_result or Result(interfaces=(Interface(name=call.ifname, sandbox=NETNS),))
    return before if lease is None else replace(before, ips=lease.ips, routes=lease.routes)


def shown(value: object) -> str:
    """Return an op, or a value of one, as people read it: what is at its default is left out."""
    if isinstance(value, msgspec.Struct):
        told = {
            key: found
            for key, found in msgspec.structs.asdict(value).items()
            if found not in ("", 0, False, None, ())
        }
        name = type(value).__name__.removesuffix("Spec")
        return f"{name}({', '.join(f'{key}={shown(found)}' for key, found in told.items())})"
    if isinstance(value, (tuple, list)):
        items = cast("Sequence[object]", value)
        return (
            f"[{', '.join(shown(item) for item in items)}]" if len(items) > 1 else shown(items[0])
        )
    return " ".join(str(value).split())
