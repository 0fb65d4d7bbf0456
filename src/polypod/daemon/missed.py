"""Pods that started while nobody could attach their networks: found after a start, and told.

A reboot may take our configuration with it (Talos keeps no /etc): the runtime then starts pods by
the primary's, before the daemon is there to write ours. Such a pod runs with its primary network
alone until it is deleted. Nothing is done to it: it is named in an Event, the log and a metric.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable

import msgspec

from polypod.daemon.lines import fields
from polypod.errors import PolypodError
from polypod.kube.events import Happening
from polypod.kube.running import Running

log = logging.getLogger("polypod.node")
LOOKS = 3
"""What two in a row find is told. One of whose sandbox the API server hears only after the first,
which is soon after the boot, is found by the others."""
LOOK_AGAIN_S = 15.0
"""Between two looks: by then an API server has heard which sandboxes a reboot ended."""
RETRY_S = 5.0
REASON = "NetworksMissed"
TEXT = (
    "this pod started while Polypod was not there and has its primary network only;"
    " delete it, and the pod that takes its place gets the networks it asks for"
)


class Missed(msgspec.Struct, kw_only=True):
    """Looks a few times after a start, in a thread of its own."""

    look: Callable[[], Iterable[Running]]
    """Lists this node's pods that have a sandbox and ask for networks."""
    attached: Callable[[], frozenset[tuple[str, str]]]
    """Returns namespace and name of every pod that was attached in this boot."""
    is_there: Callable[[Running], bool]
    """Tells whether a pod still exists."""
    others: Callable[[], frozenset[str]]
    """Returns UIDs of pods that another meta-plugin attached before this node was switched."""
    tell: Callable[[Happening], None]
    look_again_s: float = LOOK_AGAIN_S
    _stop: threading.Event = msgspec.field(default_factory=threading.Event)
    _told: tuple[Running, ...] = ()

    def start(self) -> None:
        """Begin to look."""
        threading.Thread(target=self.run, name="missed", daemon=True).start()

    def stop(self) -> None:
        """Look no more."""
        self._stop.set()

    def values(self) -> list[tuple[tuple[str, str], float]]:
        """Return the same pods for the metrics, each as 1."""
        return [(pod, 1.0) for pod in self.pods()]

    def pods(self) -> tuple[tuple[str, str], ...]:
        """Return namespace and name of every pod that was told and still is without networks."""
        if not self._told:
            return ()
        attached = self.attached()
        told = ((pod.namespace, pod.name) for pod in self._told if self.is_there(pod))
        return tuple(pod for pod in told if pod not in attached)

    def run(self) -> None:
        """Look, look again, and tell what two looks in a row found."""
        before = self._bare()
        for _ in range(LOOKS - 1):
            if self._stop.wait(self.look_again_s):
                return
            now = self._bare()
            if self._stop.is_set():
                return
            self._say(now & before)
            before = now

    def _say(self, found: frozenset[Running]) -> None:
        """Tell of pods that were not told yet."""
        fresh = sorted(found - set(self._told), key=lambda pod: (pod.namespace, pod.name))
        self._told += tuple(fresh)
        for pod in fresh:
            log.warning("pod.networks_missed %s", fields(pod=f"{pod.namespace}/{pod.name}"))
            self.tell(_happening(pod))

    def _bare(self) -> frozenset[Running]:
        """List pods without record, as often as it takes to get an answer."""
        while not self._stop.is_set():
            try:
                known = self.attached()
                found = [pod for pod in self.look() if (pod.namespace, pod.name) not in known]
                others = self.others() if found else frozenset[str]()
            except PolypodError as error:
                log.warning("node.unlooked cause=%r", error.cause)
                self._stop.wait(RETRY_S)
            else:
                return frozenset(pod for pod in found if pod.uid not in others)
        return frozenset()


def _happening(pod: Running) -> Happening:
    return Happening(
        namespace=pod.namespace,
        about=pod.name,
        uid=pod.uid,
        reason=REASON,
        message=TEXT,
        is_warning=True,
    )
