"""Keeps this node's shim and CNI configuration in place while the daemon serves.

The configuration appears only when pods can be attached, follows the primary's, and is written
again when somebody renames it. A stop leaves it: pods that start meanwhile wait for the next
daemon. Whether the stop is an uninstall is decided by daemon/farewell.py.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from polypod.cni import node
from polypod.cni.lists import NetworkList
from polypod.errors import PolypodError
from polypod.store.conf_folder import Changes, ConfFolder

log = logging.getLogger("polypod.node")
LOOK_EVERY_S = 1.0
PATIENCE_S = 1.0
"""How long somebody else's rename stands before ours is written again: no busy quarrel."""


class NodeFiles(msgspec.Struct, kw_only=True):
    """One node's shim folder and configuration folder."""

    place_shim: Callable[[], object]
    """Places the shim; one that is equal stays."""
    remove_shim: Callable[[], object]
    forget: Callable[[], object]
    """Removes what the runtime kept of our answers."""
    folder: Path
    conf: ConfFolder
    on_theft: Callable[[str], None] = msgspec.field(default=lambda _name: None)
    """Is told the name under which somebody put our configuration aside."""
    primary: Callable[[], tuple[str, NetworkList] | None] | None = None
    """Returns the network of every pod's first interface, and what to call it in the log; None:
    it is found in the folder."""
    is_ready: Callable[[], bool] = msgspec.field(default=lambda: True)
    """Tells whether the primary can attach pods: before that our configuration is not written."""
    thefts: int = 0
    """How often somebody put our configuration aside."""
    _stop: threading.Event = msgspec.field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _changes: Changes | None = None
    _told: str = ""
    """What was last said to be missing, so that it is said once."""

    def start(self) -> None:
        """Write the configuration, and keep it, in a thread of its own."""
        self._changes = Changes(self.folder)
        keep = partial(self._keep, self._changes)
        self._thread = threading.Thread(target=keep, name="node-files", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop watching, at once: a successor may be waiting; the files stay."""
        self._stop.set()
        if self._thread is None or self._changes is None:
            return
        self._changes.wake()
        self._thread.join(LOOK_EVERY_S + PATIENCE_S)
        if not self._thread.is_alive():
            self._changes.close()

    def withdraw(self) -> None:
        """Take away configuration and shim, and what would have the runtime call the shim again.

        The node goes back to its primary.

        Raises:
            PolypodError: a folder refuses.
        """
        self.conf.withdraw()
        self.forget()
        self.remove_shim()

    def _keep(self, changes: Changes) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except PolypodError as error:
                self._say(error.cause)
            if changes.wait(LOOK_EVERY_S):
                self._stop.wait(0.05)  # a burst of changes is one

    def look(self) -> None:
        """Compare the folder with what it should hold, and write what is missing.

        Raises:
            PolypodError: the folder refuses.
        """
        if not self.is_ready():
            self._say("the primary network is not ready")
            return
        choice = (self.primary or self.conf.found)()
        if choice is None:
            return  # never an empty file: without a primary there is nothing to say
        self._told = ""
        self._notice_theft()
        name, primary = choice
        if self.conf.place(node.render(primary)):
            log.info("node.configured primary=%s network=%s", name, primary.name)

    def _say(self, cause: str) -> None:
        if cause != self._told:
            log.error("node.unwritten cause=%r", cause)
            self._told = cause

    def _notice_theft(self) -> None:
        thief = node.stolen(self.conf.content())
        if not thief:
            return
        log.error(
            "node.configuration_renamed to=%s hint=%r",
            thief,
            "set cni.exclusive=false in Cilium's Helm values",
        )
        self.thefts += 1
        self.on_theft(thief)
        self._stop.wait(PATIENCE_S)
        self.conf.withdraw()
