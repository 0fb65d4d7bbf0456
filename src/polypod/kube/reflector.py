"""Keeps a copy of one kind of object: list, then watch, for ever, in a thread of its own.

The rules are those of Kubernetes API concepts, "Efficient detection of changes": resume from the
last resourceVersion, list again after 410 (as a status and as an event), never trust silence.
What an object means is decided by the `Shelf` that is filled.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from typing import Protocol

import msgspec

from polypod.errors import ApiError, DecodeError, PolypodError, TryAgainError
from polypod.kube import reading
from polypod.kube.client import Backoff, Client, Query, TooLongError
from polypod.kube.objects import CHANGES
from polypod.kube.paged import Pages

log = logging.getLogger("polypod.kube")
PAGE = 500
WATCH_S = 300
SILENCE_S = WATCH_S + 30.0
HASTY_S = 1.0
GONE = 410


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _Versioned(msgspec.Struct):
    class _Meta(msgspec.Struct):
        resourceVersion: str | None = ""  # noqa: N815 - the API's word

    metadata: _Meta


class _Failure(msgspec.Struct):
    code: int | None = 0
    message: str | None = ""


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_version = msgspec.json.Decoder(_Versioned).decode
_decode_failure = msgspec.json.Decoder(_Failure).decode


class Shelf(Protocol):
    """Where a reflector puts what it hears; called from one thread."""

    def replace(self, objects: Iterable[msgspec.Raw]) -> None:
        """Forget everything else, once all are read: these are all objects there are."""
        ...

    def hear(self, line: bytes) -> str | None:
        """Take what a watch tells of an object; return its version, None if it is no change.

        Raises:
            DecodeError: no object of this kind can be read.
        """
        ...


class _ExpiredError(Exception):
    """The resourceVersion is too old: list again."""


class Reflector(msgspec.Struct, kw_only=True):
    """One kind of object, one thread."""

    name: str
    client: Client
    query: Query
    """The collection, with its selectors."""
    watch_accept: str = "application/json"
    shelf: Shelf
    backoff: Backoff = msgspec.field(default_factory=Backoff)
    _version: str = ""
    _is_expired: bool = False
    """The newest watch ended because its version was too old."""
    _opened: float = 0.0
    """When the newest watch began (monotonic), 0 when there is none."""
    is_pausing: bool = False
    """It waits before its next try."""
    _stop: threading.Event = msgspec.field(default_factory=threading.Event)
    _go_on: threading.Event = msgspec.field(default_factory=threading.Event)
    """Ends a pause."""
    _synced: threading.Event = msgspec.field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End at the next event or time-out; the thread is a daemon thread."""
        self._stop.set()
        self._go_on.set()

    def hurry(self) -> None:
        """Try now, if this is a pause: the server has just answered somebody."""
        if self.is_pausing:
            self._go_on.set()

    def wait_synced(self, timeout_s: float) -> bool:
        """Wait until the first list is in; tell whether it is."""
        return self._synced.wait(timeout_s)

    @property
    def is_synced(self) -> bool:
        """Tell whether the first list is in."""
        return self._synced.is_set()

    def _run(self) -> None:
        while not self._stop.is_set():
            wait_s = self._try()
            if wait_s:
                self._pause(wait_s)

    def _pause(self, seconds: float) -> None:
        self.is_pausing = True
        if not self._stop.is_set():
            self._go_on.wait(seconds)
        self.is_pausing = False
        self._go_on.clear()

    def _try(self) -> float:
        """Take one turn; return how long to wait before the next, in seconds."""
        began = time.monotonic()
        was_expired = self._is_expired
        try:
            self.turn()
        except PolypodError as error:
            if self._opened and time.monotonic() - self._opened >= HASTY_S:
                self.backoff.worked()  # it was a watch for a while: a new outage begins
            wait_s = self.backoff.failed()
            log.warning("watch.failed kind=%s cause=%r wait_s=%.1f", self.name, error.cause, wait_s)
            return wait_s
        except Exception:
            log.exception("watch.broken kind=%s", self.name)
            self._version = ""
            return self.backoff.failed()
        if self._is_expired and not was_expired:
            return 0.0  # usual after an outage, whose pauses are long by then: list now
        if time.monotonic() - began < HASTY_S:  # a server that ends every watch at once
            return self.backoff.failed()
        self.backoff.worked()
        return 0.0

    def turn(self) -> None:
        """List if nothing is known yet, then watch until the server ends the stream.

        Raises:
            PolypodError: the server cannot be reached, or refuses.
        """
        self._opened = 0.0
        if not self._version:
            self._list()
        self._is_expired = False
        try:
            self._watch()
        except _ExpiredError:
            log.info("watch.expired kind=%s", self.name)
            self._version, self._is_expired = "", True

    def _list(self) -> None:
        try:
            self._version = self._read_all(PAGE)
        except ApiError as error:
            if error.status != GONE:
                raise
            self._version = self._read_all(0)  # a page's token expired: all in one answer
        self._synced.set()

    def _read_all(self, limit: int) -> str:
        """Fill the shelf; return the version that the watch begins at."""
        pages = Pages(self.client, self.query, limit=limit)
        self.shelf.replace(pages.objects())
        return pages.version

    def _watch(self) -> None:
        query = Query(
            path=self.query.path,
            parameters=(
                *self.query.parameters,
                ("watch", "1"),
                ("allowWatchBookmarks", "true"),
                ("timeoutSeconds", str(WATCH_S)),
                ("resourceVersion", self._version),
            ),
            accept=self.watch_accept,
        )
        try:
            with self.client.lines(query, silence_s=SILENCE_S) as lines:
                self._opened = time.monotonic()
                for line in lines:
                    if self._stop.is_set():
                        return
                    self._hear(line)
                    self.backoff.worked()
        except ApiError as error:
            if error.status == GONE:
                raise _ExpiredError from error
            raise
        except TooLongError:
            self._version = ""  # it would come again
            raise

    def _hear(self, line: bytes) -> None:
        unreadable = ""
        try:
            version = self.shelf.hear(line)
        except DecodeError as error:
            version, unreadable = None, error.cause
        if version is None:
            version = self._hear_other(line, unreadable)
        self._version = version or self._version

    def _hear_other(self, line: bytes, unreadable: str) -> str | None:
        """Hear of something else than an object that can be read; return its version."""
        what = f"an event of {self.name}"
        try:
            event = reading.read(_decode_event, line, what)
            if event.type == "ERROR":
                self._fail(event.object)
            version = reading.read(_decode_version, event.object, what).metadata.resourceVersion
        except DecodeError:
            self._version = ""
            raise
        if event.type in CHANGES:
            log.warning("object.unreadable cause=%r", unreadable)
        return version

    def _fail(self, raw: msgspec.Raw) -> None:
        failure = reading.read(_decode_failure, raw, "the end of a watch")
        if failure.code == GONE:
            raise _ExpiredError
        self._version = ""
        raise TryAgainError(f"API server ended the watch: {(failure.message or '')[:200]}")
