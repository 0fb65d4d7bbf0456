"""Keeps a copy of one kind of object: list, then watch, for ever, in a thread of its own.

The rules are those of Kubernetes API concepts, "Efficient detection of changes": resume from the
last resourceVersion, list again after 410 (as a status and as an event), never trust silence.
What an object means is decided by the `Shelf` that is filled.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from polypod.errors import ApiError, DecodeError, PolypodError, TryAgainError
from polypod.kube.client import Backoff, Client, Query

log = logging.getLogger("polypod.kube")
PAGE = 500
WATCH_S = 300
SILENCE_S = WATCH_S + 30.0
HASTY_S = 1.0
GONE = 410


class _ListMeta(msgspec.Struct):
    resourceVersion: str | None = ""  # noqa: N815 - the API's word
    next: str | None = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


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


_decode_list = msgspec.json.Decoder(_List).decode
_decode_event = msgspec.json.Decoder(_Event).decode
_decode_version = msgspec.json.Decoder(_Versioned).decode
_decode_failure = msgspec.json.Decoder(_Failure).decode


class Shelf(Protocol):
    """Where a reflector puts what it hears; called from one thread."""

    def replace(self, objects: list[msgspec.Raw]) -> None:
        """Forget everything else: these are all objects there are."""
        ...

    def put(self, raw: msgspec.Raw) -> None:
        """Take a new or changed object."""
        ...

    def remove(self, raw: msgspec.Raw) -> None:
        """Forget an object."""
        ...


class _ExpiredError(Exception):
    """The resourceVersion is too old: list again."""


@dataclass(slots=True, kw_only=True)
class Reflector:
    """One kind of object, one thread."""

    name: str
    client: Client
    query: Query
    """The collection, with its selectors."""
    watch_accept: str = "application/json"
    shelf: Shelf
    backoff: Backoff = field(default_factory=Backoff)
    _version: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _synced: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread = threading.Thread(target=self._run, name=f"watch-{self.name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End at the next event or time-out; the thread is a daemon thread."""
        self._stop.set()

    def wait_synced(self, timeout_s: float) -> bool:
        """Wait until the first list is in; tell whether it is."""
        return self._synced.wait(timeout_s)

    @property
    def is_synced(self) -> bool:
        """Tell whether the first list is in."""
        return self._synced.is_set()

    def _run(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                self.turn()
                if time.monotonic() - began < HASTY_S:  # a server that ends every watch at once
                    self._stop.wait(self.backoff.failed())
            except PolypodError as error:
                wait_s = self.backoff.failed()
                log.warning(
                    "watch.failed kind=%s cause=%r wait_s=%.1f", self.name, error.cause, wait_s
                )
                self._stop.wait(wait_s)
            except Exception:
                log.exception("watch.broken kind=%s", self.name)
                self._version = ""
                self._stop.wait(self.backoff.failed())

    def turn(self) -> None:
        """List if nothing is known yet, then watch until the server ends the stream.

        Raises:
            PolypodError: the server cannot be reached, or refuses.
        """
        if not self._version:
            self._list()
        try:
            self._watch()
        except _ExpiredError:
            log.info("watch.expired kind=%s", self.name)
            self._version = ""

    def _list(self) -> None:
        try:
            objects, version = self._pages(PAGE)
        except ApiError as error:
            if error.status != GONE:
                raise
            objects, version = self._pages(0)  # a page's token expired: all in one answer
        self.shelf.replace(objects)
        self._version = version
        self._synced.set()

    def _pages(self, limit: int) -> tuple[list[msgspec.Raw], str]:
        objects: list[msgspec.Raw] = []
        token = ""
        while True:
            page = self._page(limit, token)
            objects.extend(page.items or ())
            token = page.metadata.next or ""
            if not token:
                return objects, page.metadata.resourceVersion or ""

    def _page(self, limit: int, token: str) -> _List:
        more = [("limit", str(limit))] if limit else []
        more += [("continue", token)] if token else []
        query = Query(
            path=self.query.path,
            parameters=(*self.query.parameters, *more),
            accept=self.query.accept,
        )
        try:
            return _decode_list(self.client.get(query, timeout_s=30.0))
        except msgspec.DecodeError as error:
            raise DecodeError(f"API server: a list of {self.name} is not readable") from error

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
                for line in lines:
                    if self._stop.is_set():
                        return
                    self._hear(line)
                    self.backoff.worked()
        except ApiError as error:
            if error.status == GONE:
                raise _ExpiredError from error
            raise

    def _hear(self, line: bytes) -> None:
        try:
            event = _decode_event(line)
            if event.type == "ERROR":
                self._fail(event.object)
            version = _decode_version(event.object).metadata.resourceVersion
        except msgspec.DecodeError as error:
            self._version = ""
            raise DecodeError(f"API server: an event of {self.name} is not readable") from error
        if event.type in {"ADDED", "MODIFIED"}:
            self.shelf.put(event.object)
        elif event.type == "DELETED":
            self.shelf.remove(event.object)
        self._version = version or self._version

    def _fail(self, raw: msgspec.Raw) -> None:
        failure = _decode_failure(raw)
        if failure.code == GONE:
            raise _ExpiredError
        self._version = ""
        raise TryAgainError(f"API server ended the watch: {(failure.message or '')[:200]}")
