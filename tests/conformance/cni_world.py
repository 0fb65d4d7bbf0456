"""Two namespaces, a folder, and the plugins called in them: what the conformance tests share.

A call is what an executable does between reading stdin and writing stdout, without the cost of
starting Python; tests/conformance/test_cni_process.py starts real processes.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import subprocess
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from polypod.cli import plugin

NETNS = Path("/run/netns")
HOST, SANDBOX = "cnires-host", "cnires-cont"


_libc = ctypes.CDLL(None, use_errno=True)


def enter(namespace: int) -> None:
    """Move the calling thread into a network namespace."""
    if _libc.setns(namespace, 0x40000000):
        raise OSError(ctypes.get_errno(), "setns")


@dataclass(frozen=True)
class Answer:
    """What a call came to: exit code, and stdout as text and as JSON."""

    code: int
    stdout: str

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.stdout)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> tuple[int, str, str]:
        """Return code, msg and details of an error object."""
        assert self.code == 1, self
        found = self.json
        return found["code"], found["msg"], found.get("details", "")

    def ok(self) -> dict[str, Any]:
        """Return the result of a call that succeeded, {} without one."""
        assert self.code == 0, self
        return self.json if self.stdout else {}


@dataclass
class World:
    """A host, a sandbox and a folder for leases, all empty at first."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def netns(self) -> str:
        return str(NETNS / SANDBOX)

    @property
    def data(self) -> Path:
        """The dataDir of host-local."""
        return self.folder / "data"

    def make(self, name: str) -> str:
        """Make a namespace as `ip netns add` does, but for its mount of the whole folder."""
        path = NETNS / name
        path.touch()
        subprocess.run(["unshare", f"--net={path}", "true"], check=True)
        return str(path)

    def remove(self, name: str) -> None:
        if (NETNS / name).exists():
            subprocess.run(["ip", "netns", "del", name], check=True)

    def ip(self, words: str, where: str = HOST) -> Any:
        """Run `ip` in a namespace; its JSON when it prints any."""
        done = subprocess.run(
            ["ip", "-n", where, "-j", "-d", *words.split()],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else []

    def sh(self, command: str, where: str = HOST) -> str:
        """Run a shell command in a namespace and return its stdout."""
        done = subprocess.run(
            ["ip", "netns", "exec", where, "sh", "-c", command],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        return done.stdout

    def link(self, name: str, where: str = HOST) -> dict[str, Any] | None:
        """Return a link as `ip -j -d address` shows it, None when it is not there."""
        found = [one for one in self.ip("address show", where) if one["ifname"] == name]
        return found[0] if found else None

    def addresses(self, name: str, where: str = HOST) -> list[str]:
        """Return a link's addresses but for link-local ones."""
        link = self.link(name, where) or {"addr_info": []}
        return [
            f"{one['local']}/{one['prefixlen']}"
            for one in link["addr_info"]
            if one["scope"] != "link"
        ]

    def routes(self, where: str = SANDBOX) -> list[dict[str, Any]]:
        """Return the main table of both families, without the routes of link-local addresses."""
        both = self.ip("-4 route show", where) + self.ip("-6 route show", where)
        return [one for one in both if not one["dst"].startswith("fe80")]

    def sysctl(self, key: str, where: str = SANDBOX) -> str:
        return self.sh(f"cat /proc/sys/{key}", where).strip()

    def call(
        self,
        type_: str,
        command: str,
        stdin: Mapping[str, Any] | str | bytes,
        **variables: str | None,
    ) -> Answer:
        """Run one command of one plugin in the host; None takes a CNI_ variable away."""
        given: dict[str, str | None] = {
            "COMMAND": command,
            "CONTAINERID": "dummy",
            "NETNS": self.netns,
            "IFNAME": "eth0",
            "PATH": "/nonexistent",
            **self.variables,
            **variables,
        }
        environment = {f"CNI_{key}": value for key, value in given.items() if value is not None}
        return self.run(type_, environment, stdin)

    def run(
        self, type_: str, environment: dict[str, str], stdin: Mapping[str, Any] | str | bytes
    ) -> Answer:
        """Run a plugin with exactly these variables."""
        text = json.dumps(stdin) if isinstance(stdin, Mapping) else stdin
        raw = text.encode() if isinstance(text, str) else text
        with self.inside():
            code, stdout, _ = plugin.run(type_, environment, lambda: raw)
        return Answer(code, stdout.decode())

    @contextlib.contextmanager
    def inside(self) -> Generator[None]:
        """Run a block in the host."""
        if not (NETNS / HOST).exists():  # a test of addresses alone
            yield
            return
        home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        host = os.open(NETNS / HOST, os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(host)
            yield
        finally:
            enter(home)
            os.close(host)
            os.close(home)

    def lease_files(self, network: str = "mynet") -> dict[str, str]:
        """Return what host-local's folder of a network holds, but for the lock."""
        folder = self.data / network
        if not folder.is_dir():
            return {}
        return {
            path.name: path.read_bytes().decode()
            for path in sorted(folder.iterdir())
            if path.name != "lock"
        }


def opened(folder: Path) -> World:
    """Return a world with both of its namespaces; `closed` takes them away."""
    world = World(folder)
    world.data.mkdir()
    closed(world)
    for name in (HOST, SANDBOX):
        world.make(name)
    world.ip("link set lo up")
    return world


def closed(world: World) -> None:
    """Remove the namespaces of a world."""
    for name in (HOST, SANDBOX):
        world.remove(name)
