"""What the kubelet does once a minute, done now: the runtime removes sandboxes that have ended.

A pod's last DEL comes with it; afterwards nobody asks for what the pod had.
"""

from __future__ import annotations

from cluster.place import Place

from polypod.kube import grpc
from polypod.kube.protobuf import messages, parse, render, text

_SERVICE = "/runtime.v1.RuntimeService/"
_HAVE_ENDED = render((2, render((1, 1))))
"""A filter by state: not ready."""
LONGEST_S = 30


def remove_ended(place: Place) -> None:
    """Have the runtime remove every sandbox that has ended, each with its DEL."""
    for sandbox in _ended(place):
        _ask(place, "RemovePodSandbox", render((1, sandbox)))


def _ended(place: Place) -> list[str]:
    listed = _ask(place, "ListPodSandbox", render((1, _HAVE_ENDED)))
    return [text(one, 1) for one in messages(parse(listed), 1)]


def _ask(place: Place, method: str, message: bytes) -> bytes:
    return grpc.call(place.containerd, f"{_SERVICE}{method}", message, timeout_s=LONGEST_S)
