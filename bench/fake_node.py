"""A node that no kubelet serves: its pods are objects only, attached by the shim all the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cluster import pki
from cluster.place import Place

from bench.programs import Job, MeasureError, drive
from polypod.install.place import install_shim

PATIENCE_S = 60.0
REST_S = 2.0
"""With less than a hundredth of a core for so long, a daemon rests."""
AT_ONCE = 8
NAMESPACE = "default"
_TICKS = os.sysconf("SC_CLK_TCK")


class FakeNode:
    """A daemon with a real API server, and the namespaces of its pods."""

    def __init__(self, place: Place, folder: Path, name: str, pods: int) -> None:
        """Prepare folders and namespaces; start() starts the daemon."""
        self._place, self._folder, self._name = place, folder, name
        self._paths = [Path(f"/run/netns/bench-{number}") for number in range(pods)]
        self._process: subprocess.Popen[bytes] | None = None
        for part in ("bin", "state"):
            (folder / part).mkdir(parents=True)
        self._shim = install_shim(folder / "bin", links=False).ours[0]
        self._socket = folder / "polypod.sock"
        (folder / "primary.conf").write_text(json.dumps(bridge("primary", 60, folder)))
        for path in self._paths:
            subprocess.run(["ip", "netns", "add", path.name], check=True)

    def start(self) -> float:
        """Start the daemon; return the seconds until it served."""
        options = {
            "--socket": self._socket,
            "--state": self._folder / "state",
            "--kubeconfig": pki.kubeconfig(self._place.pki, "admin"),
            "--primary": self._folder / "primary.conf",
            "--data-root": self._folder / "data",
            "--path": self._folder / "bin",
            "--log-level": "warning",
        }
        words = [str(word) for pair in options.items() for word in pair]
        with (self._folder / "log").open("ab") as log:
            began = time.monotonic()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "polypod.cli.main", "daemon", *words],
                stderr=log,
                env=os.environ | {"NODE_NAME": self._name},
            )
            self._wait(self._is_served)
        return time.monotonic() - began

    def crash(self) -> float:
        """Kill the daemon, start it anew; return the seconds from its start until it served."""
        self._kill(signal.SIGKILL)
        return self.start()

    def attach_all(self) -> None:
        """Attach every pod."""
        drive(self._jobs("ADD"), concurrency=AT_ONCE)

    def settle(self) -> None:
        """Wait until the daemon rests: events of many ADDs go out at ten a second."""
        self._wait(self._rests)

    def stop(self) -> None:
        """Take everything away."""
        with suppress(MeasureError):
            drive(self._jobs("DEL"), concurrency=AT_ONCE)
        self._kill(signal.SIGTERM)
        for path in self._paths:
            subprocess.run(["ip", "netns", "delete", path.name], check=True)
        shutil.rmtree(self._folder)

    def resident_mib(self) -> float:
        """Return the resident memory now."""
        for line in Path(f"/proc/{self._pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise MeasureError("no VmRSS of the daemon")

    def processor_s(self) -> float:
        """Return the processor time so far."""
        text = Path(f"/proc/{self._pid}/stat").read_text(encoding="ascii")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / _TICKS

    @property
    def _pid(self) -> int:
        if self._process is None:
            raise MeasureError("the daemon does not run")
        return self._process.pid

    def _jobs(self, command: str) -> list[Job]:
        stdin = self._folder / "stdin.json"
        stdin.write_text(json.dumps({"cniVersion": "1.0.0", "name": "polypod", "type": "polypod"}))
        return [
            Job(
                pod=number,
                words=(str(self._shim),),
                stdin=str(stdin),
                environment={
                    "CNI_COMMAND": command,
                    "CNI_CONTAINERID": f"bench-{number}",
                    "CNI_NETNS": str(path),
                    "CNI_IFNAME": "eth0",
                    "CNI_PATH": "/nonexistent",
                    "CNI_ARGS": f"K8S_POD_NAMESPACE={NAMESPACE};K8S_POD_NAME={self._name}-{number}",
                    "POLYPOD_SOCKET": str(self._socket),
                    "POLYPOD_SPOOL": str(self._folder / "state" / "spool"),
                },
            )
            for number, path in enumerate(self._paths)
        ]

    def _is_served(self) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self._socket))
            except OSError:
                return False
        return True

    def _rests(self) -> bool:
        used = self.processor_s()
        time.sleep(REST_S)
        return self.processor_s() - used <= REST_S / 100

    def _wait(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not holds():
            if time.monotonic() > until:
                raise MeasureError(f"the daemon does not serve: {self._said()}")
            time.sleep(0.005)

    def _said(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-2000:]

    def _kill(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_S)


def bridge(name: str, number: int, folder: Path) -> dict[str, object]:
    """Return a bridge network with addresses of its own."""
    ranges = [[{"subnet": f"10.{number}.0.0/16"}]]
    ipam = {"type": "host-local", "dataDir": str(folder / "data" / "networks"), "ranges": ranges}
    return {
        "cniVersion": "1.0.0",
        "name": name,
        "type": "bridge",
        "bridge": f"b{number}",
        "ipam": ipam,
    }
