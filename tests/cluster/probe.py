"""A caller that never stops: ADD and DEL by the shim, one after the other, to measure gaps."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from statistics import median
from types import TracebackType
from typing import Self

from cluster import processes
from cluster.place import Place

NETNS = "cni-probe"


class Probe:
    """Attaches a namespace of its own to the primary, again and again, while it is entered."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probe")
        self.seconds: list[float] = []
        """What each ADD took."""
        self.failed: list[str] = []

    def __enter__(self) -> Self:
        subprocess.run(["ip", "netns", "add", NETNS], check=True, timeout=10)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: object, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(60)
        subprocess.run(["ip", "netns", "delete", NETNS], check=True, timeout=10)

    @property
    def gap_s(self) -> float:
        """Return how much longer the longest ADD took than an ordinary one."""
        return max(self.seconds) - median(self.seconds)

    def _run(self) -> None:
        conf = self._place.cni_conf / "00-polypod.conflist"
        number = 0
        while not self._stop.is_set():
            number += 1
            listed = json.loads(conf.read_text())
            stdin = json.dumps(
                {**listed["plugins"][0], **{k: listed[k] for k in ("cniVersion", "name")}}
            )
            began = time.monotonic()
            said = self._call("ADD", number, stdin)
            self.seconds.append(time.monotonic() - began)
            if said:
                self.failed.append(said)
            self._call("DEL", number, stdin)

    def _call(self, verb: str, number: int, stdin: str) -> str:
        """Run the shim; return what it says of a failure."""
        ran = subprocess.run(
            processes.inside(self._place, [str(self._place.cni_bin / "polypod")]),
            input=stdin,
            env={
                "PATH": os.environ["PATH"],
                "CNI_COMMAND": verb,
                "CNI_CONTAINERID": f"probe-{number}",
                "CNI_NETNS": f"/run/netns/{NETNS}",
                "CNI_IFNAME": "eth0",
                "CNI_PATH": str(self._place.cni_bin),
                "CNI_ARGS": "IgnoreUnknown=1",
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ran.stdout if ran.returncode else ""
