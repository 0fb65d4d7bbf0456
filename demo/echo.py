"""Real packets: a UDP echo at every address, and probes from every pod to every other.

Sockets are opened inside a namespace and belong to it ever after; so one thread answers for all.
A probe leaves by the interface it is about (SO_BINDTODEVICE), and the echo says whom it saw.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass

from demo.spaces import Space

PORT = 7777
AGAIN_S = 0.2
GIVE_UP_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One address of one pod (or node), on one interface."""

    owner: str
    space: Space
    interface: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question from one place to another; interface empty lets the routes decide."""

    source: Place
    target: Place
    is_wanted: bool = True
    """Whether an answer is expected."""
    bind: bool = True


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer: how long it took, and from which address the echo saw the question come."""

    seconds: float
    seen_as: str


@contextlib.contextmanager
def serving(places: Iterable[Place]) -> Generator[None]:
    """Answer at all places as long as the block runs."""
    chooser = selectors.DefaultSelector()
    for place in places:
        chooser.register(_server(place), selectors.EVENT_READ)
    ending = threading.Event()
    thread = threading.Thread(target=_answer, args=(chooser, ending))
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()
        for key in list(chooser.get_map().values()):
            _socket(key).close()
        chooser.close()


def _server(place: Place) -> socket.socket:
    with place.space.inside():
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    server.bind((place.address, PORT))
    return server


def _answer(chooser: selectors.BaseSelector, ending: threading.Event) -> None:
    while not ending.is_set():
        for key, _ in chooser.select(0.1):
            server = _socket(key)
            with contextlib.suppress(OSError):  # the asker may be gone
                question, sender = server.recvfrom(64)
                server.sendto(question + b" " + str(sender[0]).encode(), sender)


def _socket(key: selectors.SelectorKey) -> socket.socket:
    found = key.fileobj
    if not isinstance(found, socket.socket):
        raise TypeError
    return found


def measure(probes: Sequence[Probe], *, settle_s: float) -> dict[Probe, Heard | None]:
    """Ask every probe; those that were answered are timed once more, one by one.

    Probes that nobody should answer get `settle_s` to be answered all the same.
    """
    open_probes = {probe: _client(probe) for probe in probes}
    try:
        answered = _ask_all(open_probes, settle_s)
        return {
            probe: _ask(client) if probe in answered else None
            for probe, client in open_probes.items()
        }
    finally:
        for client in open_probes.values():
            client.close()


def _client(probe: Probe) -> socket.socket:
    with probe.source.space.inside():
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    if probe.bind:
        name = probe.source.interface.encode()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name)
        client.bind((probe.source.address, 0))
    client.connect((probe.target.address, PORT))
    return client


def _ask_all(clients: dict[Probe, socket.socket], settle_s: float) -> set[Probe]:
    answered: set[Probe] = set()
    wanted = {probe for probe in clients if probe.is_wanted}
    started, number = time.monotonic(), 0
    with selectors.DefaultSelector() as chooser:
        for probe, client in clients.items():
            chooser.register(client, selectors.EVENT_READ, probe)
        while (age := time.monotonic() - started) < GIVE_UP_S:
            if age >= settle_s and wanted <= answered:
                break
            if age >= number * AGAIN_S:
                number += 1
                for probe in clients.keys() - answered:
                    _send(clients[probe], b"0")
            for key, _ in chooser.select(0.02):
                if _receive(_socket(key)):
                    answered.add(key.data)
    for client in clients.values():
        while _receive(client):
            continue
    return answered


def _ask(client: socket.socket) -> Heard | None:
    client.settimeout(1.0)
    started = time.monotonic()
    _send(client, b"1")
    while heard := _receive(client):
        seconds = time.monotonic() - started
        nonce, _, seen = heard.partition(b" ")
        if nonce == b"1":
            return Heard(seconds, seen.decode())
    return None


def _send(client: socket.socket, nonce: bytes) -> None:
    with contextlib.suppress(OSError):  # no route, or nobody answers ARP: that is the finding
        client.send(nonce)


def _receive(client: socket.socket) -> bytes:
    try:
        return client.recv(64)
    except OSError:
        return b""
