"""A running pod, seen from inside: `exec` of the image's program."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import Generator
from dataclasses import dataclass

from tests.e2e.cri import PodName, Runtime
from tests.e2e.node import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One interface with its IPv4 addresses."""

    mac: str
    addresses: tuple[ipaddress.IPv4Interface, ...]


@dataclass(frozen=True, slots=True)
class View:
    """What one container shows."""

    runtime: Runtime
    sandbox: str
    container: str

    def links(self) -> dict[str, Link]:
        """Return interfaces by name."""
        found: dict[str, Link] = {}
        for line in self.runtime.execute(self.container, "/pod", "addresses").splitlines():
            name, mac, address = line.split()
            known = found.setdefault(name, Link(mac=mac, addresses=()))
            if ":" not in address:
                one = ipaddress.IPv4Interface(address)
                found[name] = Link(mac=mac, addresses=(*known.addresses, one))
        return found

    def file(self, path: str) -> str:
        """Return a file's text."""
        return self.runtime.execute(self.container, "/pod", "show", path)

    def default_routes(self) -> list[tuple[str, str]]:
        """Return interface and gateway of each default route."""
        found: list[tuple[str, str]] = []
        for line in self.file("/proc/net/route").splitlines()[1:]:
            name, destination, gateway, *_, mask, _mtu, _window, _irtt = line.split()
            if destination == mask == "00000000":
                plain = ipaddress.IPv4Address(int(gateway, 16).to_bytes(4, "little"))
                found.append((name, str(plain)))
        return found


@contextlib.contextmanager
def running(node: Node, pod: PodName, *, by: Runtime | None = None) -> Generator[View]:
    """Start a pod with a container, by containerd if nothing is said; end it at the end."""
    runtime = by or node.runtime
    sandbox = runtime.run_pod(pod)
    try:
        yield View(runtime, sandbox, runtime.start_container(pod, sandbox))
    finally:
        runtime.stop_pod(sandbox)
        runtime.remove_pod(sandbox)
