"""What a request may have to wait for, and whose order it keeps."""

from __future__ import annotations

import pytest

from polypod.daemon.dispatch import Place
from polypod.daemon.serve import keys_of, place_of
from polypod.daemon.wire import WireRequest

POD = "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web"


def request(
    verb: str, argv0: str = "polypod", arguments: str = POD, stdin: bytes = b"{}"
) -> WireRequest:
    environment = {"CNI_COMMAND": verb, "CNI_CONTAINERID": "c1", "CNI_ARGS": arguments}
    return WireRequest(argv0=argv0, environment=environment, stdin=stdin)


@pytest.mark.parametrize(
    ("argv0", "verb", "stdin", "place"),
    [
        ("polypod", "ADD", b"{}", Place.ADD),
        ("polypod", "DEL", b"{}", Place.OTHER),
        ("polypod", "CHECK", b"{}", Place.OTHER),
        ("polypod", "GC", b"{}", Place.OTHER),
        ("polypod", "STATUS", b"{}", Place.LEAF),
        ("polypod", "JUMP", b"{}", Place.OTHER),
        ("something-else", "ADD", b"{}", Place.ADD),
        ("host-local", "ADD", b"{}", Place.LEAF),
        ("bridge", "ADD", b'{"ipam": {"type": "host-local"}}', Place.LEAF),
        ("bridge", "ADD", b'{"ipam": {}}', Place.LEAF),
        ("bridge", "ADD", b'{"ipam": {"type": "whereabouts"}}', Place.NESTING),
        ("macvlan", "DEL", b'{"IPAM": {"Type": "dhcp"}}', Place.NESTING),
        ("bridge", "ADD", b'{"ipam": ', Place.LEAF),
        ("bridge", "ADD", b'{"ipam": 7}', Place.LEAF),
    ],
)
def test_a_request_counts_against_what_it_may_wait_for(
    argv0: str, verb: str, stdin: bytes, place: Place
) -> None:
    assert place_of(request(verb, argv0, stdin=stdin)) is place


def test_calls_keep_the_order_of_their_pod_and_of_their_container() -> None:
    assert keys_of(request("ADD")) == {"pod default/web", "container c1"}
    assert keys_of(request("DEL", arguments="")) == {"container c1"}
    assert keys_of(request("DEL", arguments="K8S_POD_NAME=web")) == {"container c1"}


@pytest.mark.parametrize("verb", ["GC", "STATUS"])
def test_calls_about_the_node_wait_for_no_pod(verb: str) -> None:
    assert not keys_of(request(verb))
