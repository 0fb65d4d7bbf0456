"""A daemon of our own for the length of a measurement, and what it needs of memory."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench import pod
from bench.programs import Job, MeasureError
from polypod.install.place import install_shim

PATIENCE_S = 20.0


class Node:
    """A running daemon, its shim, and its folders."""

    def __init__(self, folder: Path, networks: Sequence[dict[str, object]], pods: int) -> None:
        """Start it: the first network is the primary, the others are definitions."""
        folder.mkdir(parents=True)
        self.socket = folder / "polypod.sock"
        self.stdin = folder / "stdin.json"
        call = {"cniVersion": pod.VERSION, "name": "polypod", "type": "polypod"}
        self.stdin.write_text(json.dumps(call))
        primary = folder / "primary.conf"
        primary.write_text(json.dumps(networks[0]))
        pod.write_manifests(folder / "manifests", networks[1:], pods)
        (folder / "bin").mkdir()
        self.shim = install_shim(folder / "bin", links=False).ours[0]
        self._log = (folder / "log").open("wb+")
        options = {
            "--socket": self.socket,
            "--state": folder / "state",
            "--manifests": folder / "manifests",
            "--primary": primary,
            "--data-root": folder,
            "--path": folder / "bin",
            "--log-level": "warning",
        }
        words = [str(word) for pair in options.items() for word in pair]
        program = [sys.executable, "-m", "polypod.cli.main", "daemon", *words]
        self._process = subprocess.Popen(program, stderr=self._log, cwd=folder)
        self._wait_ready()

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not self.socket.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise MeasureError(f"the daemon does not start: {self.said()}")
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        """Return the daemon's process id."""
        return self._process.pid

    def said(self) -> str:
        """Return the end of the daemon's log."""
        self._log.seek(0)
        return self._log.read()[-2000:].decode(errors="replace")

    def jobs(self, command: str, paths: Sequence[str], label: str) -> list[Job]:
        """Return one shim call a pod."""
        return pod.shim_jobs(command, self.shim, self.socket, self.stdin, paths, label)

    def resident_mib(self) -> float:
        """Return the resident memory now."""
        return self._memory("VmRSS")

    def peak_mib(self) -> float:
        """Return the most resident memory since forget_peak."""
        return self._memory("VmHWM")

    def forget_peak(self) -> None:
        """Start the peak anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def _memory(self, field: str) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii")
        found = re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)
        if found is None:
            raise MeasureError(f"no {field} of the daemon")
        return int(found[1]) / 1024

    def stop(self) -> None:
        """Stop it and wait."""
        os.kill(self.pid, signal.SIGTERM)
        self._process.wait(PATIENCE_S)
        self._log.close()
