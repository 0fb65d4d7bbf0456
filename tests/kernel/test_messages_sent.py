"""Every message that an op sends is read by pyroute2 without anything left over."""

from __future__ import annotations

import socket
import struct

import pytest
from tests.kernel import story
from tests.kernel.cases import CASES, each_case
from tests.property import oracle

from polypod.kernel import netlink
from polypod.plan import ops

UNKNOWN_TO_PYROUTE2 = {"macvlan with a queue"}
"""IFLA_MACVLAN_BC_QUEUE_LEN has no name there; link_cases.py looks for its effect instead."""
WITHOUT_NETLINK = (
    ops.EnableForwarding,
    ops.WriteSysctl,
    ops.AddMasquerade,
    ops.RemoveMasquerade,
    ops.AddSpoofCheck,
    ops.RemoveSpoofCheck,
)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Keep what goes through rtnetlink sockets."""
    kept: list[bytes] = []
    send = socket.socket.send

    def keep(self: socket.socket, raw: bytes, flags: int = 0) -> int:
        kept.append(raw)
        return send(self, raw, flags)

    monkeypatch.setattr(socket.socket, "send", keep)
    return kept


def unknown(read: object) -> list[str]:
    """Return the attributes, at any depth, that pyroute2 has no name for."""
    if not isinstance(read, dict):
        return []
    here = [str(inner) for name, inner in read.items() if name == "UNKNOWN"]
    return here + [name for inner in read.values() for name in unknown(inner)]


@each_case
def test_pyroute2_reads_every_message(name: str, sent: list[bytes]) -> None:
    case = CASES[name]
    world = story.begin(case)
    sent.clear()

    with world.enter() as namespaces:
        made = namespaces.apply(case.op)
        namespaces.undo(case.op, made)
    world.close()

    left: list[str] = []
    for raw in sent:
        for message, _ in netlink.messages(raw):
            left += unknown(oracle.read(oracle.family_of(message.type), message.body))
    assert bool(sent) is not isinstance(case.op, WITHOUT_NETLINK)
    assert bool(left) is (name in UNKNOWN_TO_PYROUTE2), left


def test_the_sends_of_a_socket_are_kept(sent: list[bytes]) -> None:
    opened = netlink.Rtnetlink()
    opened.one(18, 0, struct.pack("=BxHiII", 0, 0, 1, 0, 0))
    opened.close()

    assert len(sent) == 1
