"""One node: its namespace, its daemon, and the shim as a container runtime would run it."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.pods import EXAMPLES
from demo.spaces import Space

PATIENCE_S = 20.0
LAST = 20
_POLYPOD = (sys.executable, "-m", "polypod.cli.main")
_STDIN = b'{"cniVersion":"1.0.0","name":"polypod","type":"polypod"}'
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class DemoError(Exception):
    """Something was not as it should be; the text is for the reader."""


@dataclass(slots=True)
class Node:
    """A machine of the lab."""

    space: Space
    folder: Path
    daemon: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Return its name."""
        return self.space.name

    def install(self) -> Path:
        """Place the shim, as on a real node, and return its path."""
        target = self.folder / "bin"
        target.mkdir(parents=True)
        self.polypod("install", "shim", str(target))
        return target / "polypod"

    def start(self) -> float:
        """Start the daemon and wait until it serves; return the seconds that took."""
        started = time.monotonic()
        options = {
            "--socket": self.folder / "polypod.sock",
            "--state": self.folder / "state",
            "--manifests": EXAMPLES,
            "--status": self.folder / "status",
            "--primary": EXAMPLES / "primary" / f"{self.name}.conflist",
            "--data-root": self.folder / "cni",
            "--path": self.folder / "plugins",
            "--log-level": "warning",
        }
        words = [str(word) for pair in options.items() for word in pair]
        with self.space.inside(), self.log.open("wb") as log:
            self.daemon = subprocess.Popen(
                [*_POLYPOD, "daemon", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread runs yet
            )
        self._wait_ready(started)
        return time.monotonic() - started

    @property
    def log(self) -> Path:
        """Return where the daemon's messages go."""
        return self.folder / "daemon.log"

    def _wait_ready(self, started: float) -> None:
        while not (self.folder / "polypod.sock").exists():
            if self.daemon is None or self.daemon.poll() is not None:
                raise DemoError(f"the daemon of {self.name} ended:\n{self.log.read_text()}")
            if time.monotonic() - started > PATIENCE_S:
                raise DemoError(
                    f"the daemon of {self.name} does not serve:\n{self.log.read_text()}"
                )
            time.sleep(0.01)

    def call(self, verb: str, pod: str) -> tuple[float, dict[str, Any]]:
        """Run the shim for a pod; return the seconds from exec to answer, and the answer."""
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "POLYPOD_SOCKET": str(self.folder / "polypod.sock"),
            "POLYPOD_SPOOL": str(self.folder / "state" / "spool"),
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": f"sandbox-of-{pod}",
            "CNI_NETNS": f"/run/netns/{pod}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(self.folder / "bin"),
            "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod};"
            f"K8S_POD_INFRA_CONTAINER_ID=sandbox-of-{pod}",
        }
        with self.space.inside():
            started = time.monotonic()
            done = subprocess.run(
                [self.folder / "bin" / "polypod"],
                env=environment,
                input=_STDIN,
                capture_output=True,
                check=False,
            )
            took = time.monotonic() - started
        if done.returncode:
            told = (done.stdout or done.stderr).decode(errors="replace")
            log = "".join(self.log.read_text(encoding="utf-8").splitlines(keepends=True)[-LAST:])
            raise DemoError(f"{verb} of {pod} on {self.name} failed: {told}\ndaemon's log:\n{log}")
        return took, json.loads(done.stdout) if done.stdout else {}

    def attachments(self) -> list[dict[str, Any]]:
        """Return what `polypod ps` says is attached here."""
        found = self.polypod("ps", "--state", str(self.folder / "state"), "-o", "json")
        return list(json.loads(found))

    def polypod(self, *words: str) -> str:
        """Run a verb of the command line on this node and return what it prints."""
        with self.space.inside():
            done = subprocess.run([*_POLYPOD, *words], capture_output=True, check=False, text=True)
        if done.returncode:
            raise DemoError(f"polypod {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def leases(self) -> list[str]:
        """Return the address files of host-local, by network."""
        pools = self.folder / "cni" / "networks"
        return sorted(
            f"{path.parent.name}/{path.name}"
            for path in pools.glob("*/*")
            if path.name != "lock" and not path.name.startswith("last_reserved_ip")
        )

    def stop(self) -> int:
        """Ask the daemon to leave, wait, and return its exit status."""
        if self.daemon is None:
            return 0
        self.daemon.send_signal(signal.SIGTERM)
        try:
            return self.daemon.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            return self.daemon.wait()


def _end_with_parent() -> None:
    """Have the kernel end the daemon should the demo be killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
