"""A caller that never stops: ADD and DEL by the shim, one after the other, to measure gaps."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import time
from pathlib import Path
from statistics import median
from types import TracebackType
from typing import Self

from cluster import processes
from cluster.place import Place
from tests.cluster.kube import soon


class Probe:
    """Attaches one namespace after another to the primary, and takes each down, while entered."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe")
        self.seconds: list[float] = []
        """What each ADD took."""
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)

    @property
    def gap_s(self) -> float:
        """Return how much longer the longest ADD took than an ordinary one."""
        return max(self.seconds) - median(self.seconds)

    def _run(self) -> None:
        for number in itertools.count():
            if self._stop.is_set():
                return
            stdin = configuration(self._place)
            name = f"cni-probe-{number}"
            subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
            began = time.monotonic()
            said = call(self._place, "ADD", name, stdin)
            self.seconds.append(time.monotonic() - began)
            self.failed += [said] if said else []
            take_down(self._place, name, stdin)
            subprocess.run(["ip", "netns", "delete", name], check=True, timeout=10)


def configuration(place: Place) -> str:
    """Return what a runtime gives our plugin to read."""
    listed = json.loads((place.cni_conf / "00-polypod.conflist").read_text())
    common = {key: listed[key] for key in ("cniVersion", "name")}
    return json.dumps({**listed["plugins"][0], **common})


def take_down(place: Place, name: str, stdin: str) -> None:
    """Ask for a DEL until it is done, as a runtime does: two releases may just pass each other."""
    soon(lambda: not call(place, "DEL", name, stdin), f"the DEL of {name}")


def call(
    place: Place, verb: str, name: str, stdin: str, shim: Path | None = None, **env: str
) -> str:
    """Run the node's shim, or another one; return what it says of a failure."""
    ran = subprocess.run(
        processes.inside(place, [str(shim or place.cni_bin / "polypod")]),
        input=stdin,
        env={
            "PATH": os.environ["PATH"],
            "CNI_COMMAND": verb,
            "CNI_CONTAINERID": name,
            "CNI_NETNS": f"/run/netns/{name}",
            "CNI_IFNAME": "eth0",
            "CNI_PATH": str(place.cni_bin),
            "CNI_ARGS": "IgnoreUnknown=1",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.stdout if ran.returncode else ""
