"""Two network namespaces for one test, and everything that iproute2 and nft say of them.

A test compares the state before an act with the state after it. What changes by itself (carrier,
timers, handles) is left out; everything else counts, so a forgotten route or sysctl fails a test
that never mentions it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

from tests import features

from polypod.kernel import netns
from polypod.kernel.door import KernelDoor, OpenNamespaces
from polypod.plan.facts import Where

State: TypeAlias = dict[str, Any]

_libc = ctypes.CDLL(None, use_errno=True)
QUIET = (
    # Addresses come only from ops: no autoconfiguration, and none is tentative.
    ("net/ipv6/conf/default/addr_gen_mode", "1"),
    ("net/ipv6/conf/default/accept_dad", "0"),
    ("net/ipv6/conf/default/router_solicitations", "0"),
    ("net/ipv6/conf/default/accept_ra", "1"),
)
_PASSING = frozenset({
    "operstate", "stats64", "stats", "handle", "carrier_changes", "carrier_up_count",
    "carrier_down_count", "topology_change", "topology_change_detected", "metainfo", "state",
    "tentative",
    "tso_max_size",  # a bridge takes that of its ports
})  # fmt: skip
"""Keys of iproute2 and nft whose values change without an act."""
_CARRIER = ("NO-CARRIER", "LOWER_UP", "linkdown")
_QUESTIONS = "link show\naddr show\nroute show table all\nneigh show\nrule show\n"
_SYSCTLS = (
    "ipv4/ip_forward",
    "ipv4/conf/*/arp_[fn]*",
    "ipv6/conf/*/accept_ra",
    "ipv6/conf/*/disable_ipv6",
    "ipv6/conf/*/forwarding",
    "ipv6/conf/*/keep_addr_on_down",
)
"""What ops write by themselves, and what the cases make them write."""


def run(*command: str, stdin: str = "") -> str:
    """Run a program in the calling thread's namespace and return what it prints."""
    done = subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, f"{' '.join(command)}: {stdin}{done.stderr}"
    return done.stdout


def settled(value: Any) -> Any:
    """Return an answer without what changes by itself."""
    if isinstance(value, dict):
        return {
            key: settled(inner)
            for key, inner in value.items()
            if key not in _PASSING and not key.endswith("_timer")
        }
    if isinstance(value, list):
        return [settled(inner) for inner in value if inner not in _CARRIER and inner != {}]
    return value


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents of a batch, one after another."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found, at = decoder.raw_decode(text, at)
        yield found


def shows(state: Any, expected: Any) -> bool:
    """Tell whether a state has what is expected: dicts and lists may hold more."""
    if isinstance(expected, dict):
        return isinstance(state, dict) and all(
            key in state and shows(state[key], inner) for key, inner in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(state, list) and all(
            any(shows(one, inner) for one in state) for inner in expected
        )
    return bool(state == expected)


def differences(one: Any, other: Any, at: str = "") -> list[str]:
    """Return where two states differ, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            line
            for key in sorted({*one, *other})
            for line in differences(one.get(key), other.get(key), f"{at}/{key}")
        ]
    if isinstance(one, list) and isinstance(other, list):
        gone = [f"{at}: only before: {item}" for item in one if item not in other]
        come = [f"{at}: only after: {item}" for item in other if item not in one]
        return gone + come or ([] if len(one) == len(other) else [f"{at}: repeated"])
    return [] if one == other else [f"{at}: {one} != {other}"]


def new_namespace() -> int:
    """Return a descriptor of a network namespace that nothing else keeps alive."""

    def make() -> int:
        assert _libc.unshare(netns.CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    # A thread that is in another namespace is not used for anything else.
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(make).result()


class World:
    """A host and a sandbox, empty but for their loopbacks."""

    def __init__(self, *, with_rules: bool = True) -> None:
        """Make both, quiet; nftables count as state only with rules, since nft starts slowly."""
        self._with_rules = with_rules
        self.fds = {where: new_namespace() for where in Where}
        for where in Where:
            for key, value in QUIET:
                self.write(where, key, value)
            self.ip(where, "link set lo up")

    def close(self) -> None:
        """Close the descriptors."""
        for fd in self.fds.values():
            os.close(fd)

    def path(self, where: Where) -> str:
        """Return a path of a namespace, as a runtime gives one."""
        return f"/proc/{os.getpid()}/fd/{self.fds[where]}"

    def destroy(self, where: Where) -> None:
        """End a namespace: its descriptor is all that keeps it."""
        os.close(self.fds.pop(where))

    def run(self, where: Where, *command: str, stdin: str = "") -> str:
        """Run a program in one of the namespaces."""
        with netns.inside(self.fds[where]):
            return run(*command, stdin=stdin)

    def ip(self, where: Where, *lines: str) -> None:
        """Carry out lines of `ip`."""
        self.run(where, "ip", "-batch", "-", stdin="\n".join(lines) + "\n")

    def ask(self, where: Where, *command: str) -> Any:
        """Return what a program answers in JSON, whole."""
        return json.loads(self.run(where, *command) or "[]")

    def write(self, where: Where, key: str, value: str) -> None:
        """Write a sysctl."""
        with netns.inside(self.fds[where]):
            Path("/proc/sys", key).write_text(value, encoding="ascii")

    @contextlib.contextmanager
    def enter(self) -> Generator[OpenNamespaces]:
        """Go through the kernel's door, as the engine does."""
        with KernelDoor().enter(
            sandbox=self.fds[Where.SANDBOX], host=self.fds[Where.HOST]
        ) as opened:
            yield opened

    @contextlib.contextmanager
    def enter_host_only(self) -> Generator[OpenNamespaces]:
        """Go through the door when the sandbox's namespace has gone."""
        with KernelDoor().enter(sandbox="/run/netns/gone", host=self.fds[Where.HOST]) as opened:
            yield opened

    def state(self) -> State:
        """Return everything that is in the two namespaces."""
        return {where.value: self._state(where) for where in self.fds}

    def _state(self, where: Where) -> State:
        asked = self.run(where, "ip", "-j", "-d", "-batch", "-", stdin=_QUESTIONS)
        links, addresses, routes, neighbours, rules = documents(asked)
        by_name = {link["ifname"]: link for link in settled(links) if link}
        for link in settled(addresses):
            by_name[link["ifname"]]["addr_info"] = link["addr_info"]
        if "br0" in by_name and features.is_here("bridge-vlan"):
            for port in self.ask(where, "bridge", "-j", "vlan"):
                by_name[port["ifname"]]["vlans"] = port["vlans"]
        return {
            "links": by_name,
            # Multicast routes come with the carrier, a moment after the link is up.
            "routes": settled([route for route in routes if route["type"] != "multicast"]),
            "neighbours": settled(neighbours),
            "rules": rules,
            "nft": self.rules() if self._with_rules and where is Where.HOST else [],
            "sysctls": self.sysctls(where),
        }

    def rules(self) -> list[Any]:
        """Return the host's nftables, without their handles."""
        found = settled(self.ask(Where.HOST, "nft", "-j", "list", "ruleset"))["nftables"]
        assert isinstance(found, list)
        return found

    def sysctls(self, where: Where) -> dict[str, str]:
        """Return the values of what ops may write."""
        root = Path("/proc/sys/net")
        found: dict[str, str] = {}
        with netns.inside(self.fds[where]):
            for file in (file for pattern in _SYSCTLS for file in root.glob(pattern)):
                found[str(file.relative_to(root))] = file.read_text(encoding="ascii").strip()
        return found


def prepared(world: World, lines: Mapping[Where, Sequence[str]]) -> None:
    """Carry out lines of `ip` in each namespace, the host's first."""
    for where in (Where.HOST, Where.SANDBOX):
        if lines.get(where):
            world.ip(where, *lines[where])
