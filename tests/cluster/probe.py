"""A caller that never stops: ADD and DEL by the shim, one after the other, to measure gaps."""

from __future__ import annotations

import itertools
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
        conf = self._place.cni_conf / "00-polypod.conflist"
        for number in itertools.count():
            if self._stop.is_set():
                return
            listed = json.loads(conf.read_text())
            common = {key: listed[key] for key in ("cniVersion", "name")}
            stdin = json.dumps({**listed["plugins"][0], **common})
            name = f"cni-probe-{number}"
            subprocess.run(["ip", "netns", "add", name], check=True, timeout=10)
            began = time.monotonic()
            said = self._call("ADD", name, stdin)
            self.seconds.append(time.monotonic() - began)
            self.failed += [said] if said else []
            self._call("DEL", name, stdin)
            subprocess.run(["ip", "netns", "delete", name], check=True, timeout=10)

    def _call(self, verb: str, name: str, stdin: str) -> str:
        """Run the shim; return what it says of a failure."""
        ran = subprocess.run(
            processes.inside(self._place, [str(self._place.cni_bin / "polypod")]),
            input=stdin,
            env={
                "PATH": os.environ["PATH"],
                "CNI_COMMAND": verb,
                "CNI_CONTAINERID": name,
                "CNI_NETNS": f"/run/netns/{name}",
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
