"""One node with the real daemon as a process, the real shim, and sandboxes to attach.

The lab's network namespace is the host. Everything else lies in one folder below /run, which is
short enough for a socket's path and gone with the lab.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polypod.install import place

NETNS = Path("/run/netns")
BRIDGE = "live0"
WAIT_S = 20.0
PRIMARY: dict[str, Any] = {
    "cniVersion": "1.0.0",
    "name": "live",
    "plugins": [
        {
            "type": "bridge",
            "bridge": BRIDGE,
            "ipam": {"type": "host-local", "subnet": "10.66.0.0/16"},
        },
    ],
}
CALLED = b'{"cniVersion":"1.0.0","name":"polypod","type":"polypod"}'


@dataclass(frozen=True)
class Answer:
    """What the shim came to."""

    code: int
    stdout: bytes
    seconds: float

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.stdout)
        assert isinstance(found, dict), found
        return found


class Live:
    """A daemon, its folder, and the sandboxes of one test."""

    def __init__(self, primary: Mapping[str, Any] | None = PRIMARY) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="live-", dir="/run"))
        self.socket = self.folder / "s"
        self.state = self.folder / "state"
        self.spool = self.state / "spool"
        self.data = self.folder / "data"
        self.plugins = self.folder / "plugins"
        self.log = self.folder / "log"
        self.bin = self.folder / "bin"
        for folder in (self.plugins, self.bin, self.folder / "manifests"):
            folder.mkdir()
        place.install_shim(self.bin, links=True)
        self.options: list[str] = []
        if primary is not None:
            (self.folder / "primary.conflist").write_text(json.dumps(primary))
            self.options += ["--primary", str(self.folder / "primary.conflist")]
        self._daemons: list[subprocess.Popen[bytes]] = []
        self.program = ["-m", "polypod.cli.main", "daemon"]
        self._shims: list[subprocess.Popen[bytes]] = []
        self._sandboxes: set[str] = set()

    # --- the daemon --------------------------------------------------------------------------

    def command(self, *options: str) -> list[str]:
        return [
            *(sys.executable, *self.program),
            *("--socket", str(self.socket), "--state", str(self.state)),
            *("--data-root", str(self.data), "--path", str(self.plugins)),
            *("--manifests", str(self.folder / "manifests")),
            *self.options,
            *options,
        ]

    def launch(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a daemon without waiting for it."""
        with self.log.open("ab") as log:
            daemon = subprocess.Popen(self.command(*options), stderr=log, stdin=subprocess.DEVNULL)
        self._daemons.append(daemon)
        return daemon

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start a daemon and wait until it is ready."""
        daemon = self.launch(*options)
        self.wait_logged(rf"event=daemon.ready .*pid={daemon.pid}\b", daemon)
        return daemon

    def wait_logged(self, pattern: str, daemon: subprocess.Popen[bytes] | None = None) -> None:
        """Wait for a log line."""
        deadline = time.monotonic() + WAIT_S
        while not re.search(pattern, self.logged()):
            assert daemon is None or daemon.poll() is None, self.logged()
            assert time.monotonic() < deadline, f"no {pattern}: {self.logged()}"
            time.sleep(0.01)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Wait until something has come about."""
        deadline = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < deadline, self.logged()
            time.sleep(0.01)

    def logged(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def stop(self, daemon: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
        daemon.send_signal(number)
        return daemon.wait(WAIT_S + 10)

    # --- callers -----------------------------------------------------------------------------

    def sandbox(self, name: str) -> str:
        """Make a namespace and return its path."""
        path = NETNS / name
        NETNS.mkdir(exist_ok=True)
        path.touch()
        subprocess.run(["unshare", f"--net={path}", "true"], check=True)
        self._sandboxes.add(name)
        return str(path)

    def remove_sandbox(self, name: str) -> None:
        self._sandboxes.discard(name)
        subprocess.run(["umount", str(NETNS / name)], check=True)
        (NETNS / name).unlink()

    def variables(self, verb: str, container: str, **extra: str) -> dict[str, str]:
        pod = f"K8S_POD_NAMESPACE=default;K8S_POD_NAME={container}"
        return {
            "PATH": os.environ["PATH"],
            "POLYPOD_SOCKET": str(self.socket),
            "POLYPOD_SPOOL": str(self.spool),
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": container,
            "CNI_NETNS": str(NETNS / container),
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.plugins),
            "CNI_ARGS": f"IgnoreUnknown=1;{pod}",
            **extra,
        }

    def begin(
        self, verb: str, container: str, stdin: bytes = CALLED, name: str = "polypod", **extra: str
    ) -> subprocess.Popen[bytes]:
        """Start the shim and leave it running, its stdin already sent."""
        shim = subprocess.Popen(
            [str(self.bin / name)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=self.variables(verb, container, **extra),
        )
        assert shim.stdin is not None
        shim.stdin.write(stdin)
        shim.stdin.close()
        shim.stdin = None  # so that communicate() leaves it alone
        self._shims.append(shim)
        return shim

    def call(
        self, verb: str, container: str, stdin: bytes = CALLED, name: str = "polypod", **extra: str
    ) -> Answer:
        """Run the shim to its end."""
        started = time.monotonic()
        done = subprocess.run(
            [str(self.bin / name)],
            input=stdin,
            stdout=subprocess.PIPE,
            env=self.variables(verb, container, **extra),
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, time.monotonic() - started)

    def plugin(self, name: str, body: str) -> Path:
        """Place a foreign plugin, a shell script; whoever starts it, it calls this daemon."""
        path = self.plugins / name
        ours = f"export POLYPOD_SOCKET={self.socket} POLYPOD_SPOOL={self.spool}"
        path.write_text(f"#!/bin/sh\n{ours}\n{body}\n")
        path.chmod(0o755)
        return path

    # --- what is there -----------------------------------------------------------------------

    def ports(self) -> set[str]:
        """Return the host ends: links whose master is the bridge."""
        return {link["ifname"] for link in links() if link.get("master") == BRIDGE}

    def leases(self) -> dict[str, str]:
        """Return addresses with their owners' container ids."""
        return {
            path.name: path.read_text().split()[0]
            for path in self.data.glob("networks/[!.]*/*")
            if path.name[0].isdigit()
        }

    def records(self) -> dict[str, int]:
        """Return how many networks the journal has of each container."""
        if not (self.state / "journal.db").exists():
            return {}
        with sqlite3.connect(self.state / "journal.db") as database:
            rows = database.execute(
                "SELECT container_id, count(*) FROM attachment GROUP BY container_id"
            ).fetchall()
        database.close()
        return dict(rows)

    def links_of(self, container: str) -> set[str]:
        """Return the links of a sandbox, its loopback left out."""
        found = json.loads(
            subprocess.run(
                ["nsenter", f"--net={NETNS / container}", "ip", "-j", "link"],
                capture_output=True,
                check=True,
            ).stdout
        )
        return {link["ifname"] for link in found} - {"lo"}

    def finish(self, calls: Sequence[subprocess.Popen[bytes]]) -> list[int]:
        """Wait for shims and return their exit codes."""
        for call in calls:
            call.communicate(timeout=60)
        return [call.returncode for call in calls]

    def close(self) -> None:
        for program in (*self._shims, *self._daemons):
            if program.poll() is None:
                program.kill()
            program.communicate()
        for name in tuple(self._sandboxes):
            self.remove_sandbox(name)
        deadline = time.monotonic() + WAIT_S
        while self.ports() and time.monotonic() < deadline:
            time.sleep(0.01)  # the kernel takes a namespace apart when it comes to it
        if any(link["ifname"] == BRIDGE for link in links()):
            subprocess.run(["ip", "link", "del", BRIDGE], check=True)
        shutil.rmtree(self.folder)


def links() -> list[dict[str, Any]]:
    """Return the host's links."""
    done = subprocess.run(["ip", "-j", "-d", "link"], capture_output=True, check=True)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found
