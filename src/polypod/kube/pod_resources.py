"""The kubelet's PodResources service (v1): which devices a pod's containers have.

Get asks for one pod; a kubelet that does not know Get, or not the pod, is asked for the List. What
the device plugins gave and which claims there are is told as it was heard; claims.py finds out
which devices a claim stands for.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from polypod.errors import RpcError
from polypod.kube import protobuf
from polypod.kube.protobuf import Fields

log = logging.getLogger("polypod.kube")
SERVICE = "/v1.PodResourcesLister/"
CALL_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim for dynamic resources that a container has."""

    namespace: str
    name: str
    devices: tuple[str, ...] = ()
    """What its driver called them for the runtime: the part behind `=` of their CDI names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What a pod has."""

    devices: dict[str, list[str]]
    """Ids by the resource's name, over all containers."""
    claims: tuple[Claim, ...] = ()


NOTHING = Held(devices={})


def ask(socket: Path, namespace: str, name: str) -> Held:
    """Return what a pod has; a pod that the kubelet does not know has nothing.

    Raises:
        RpcError: the kubelet refused.
        TryAgainError: nobody listens at the socket, or answers in time.
        DecodeError: the answer makes no sense.
    """
    for pod in _pods(socket, namespace, name):
        if (protobuf.text(pod, 1), protobuf.text(pod, 2)) == (name, namespace):
            return _held(pod)
    return NOTHING


def _pods(socket: Path, namespace: str, name: str) -> list[Fields]:
    from polypod.kube import grpc

    asked = protobuf.render((1, name), (2, namespace))
    try:
        answer = grpc.call(socket, f"{SERVICE}Get", asked, timeout_s=CALL_S)
    except RpcError as error:  # the kubelet gives no code of its own to "disabled" and "not found"
        log.debug("devices.listed cause=%r", error.cause)
        answer = grpc.call(socket, f"{SERVICE}List", b"", timeout_s=CALL_S)
    return protobuf.messages(protobuf.parse(answer), 1)


def _held(pod: Fields) -> Held:
    devices: dict[str, list[str]] = {}
    claims: dict[tuple[str, str], Claim] = {}  # containers may share one
    for container in protobuf.messages(pod, 3):
        for given in protobuf.messages(container, 2):
            devices.setdefault(protobuf.text(given, 1), []).extend(protobuf.texts(given, 2))
        for dynamic in protobuf.messages(container, 5):
            claim = _claim(dynamic)
            claims[claim.namespace, claim.name] = claim
    return Held(devices=devices, claims=tuple(claims.values()))


def _claim(dynamic: Fields) -> Claim:
    return Claim(
        name=protobuf.text(dynamic, 2),
        namespace=protobuf.text(dynamic, 3),
        devices=tuple(_cdi_ids(dynamic)),
    )


def _cdi_ids(dynamic: Fields) -> Iterator[str]:
    for resource in protobuf.messages(dynamic, 4):
        for device in protobuf.messages(resource, 1):
            name = protobuf.text(device, 1)
            _, sign, own = name.partition("=")
            if sign and own:
                yield own
            else:
                log.warning("devices.unnamed cdi=%s", name[:200])
