"""What is to be written to the API server, and the one thread that writes it.

Of several letters to one address only one waits: the newer takes in the older. A letter may rest
for a while first, so that writing it does not compete with what it tells of. What a second try
may mend is tried again, after growing pauses; the rest is dropped. All of it is counted. Nobody
waits for a letter but who asks for that (`put_and_wait`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

import msgspec

from polypod.errors import ApiError, PolypodError, TryAgainError
from polypod.kube.client import Backoff

log = logging.getLogger("polypod.kube")
Item = TypeVar("Item")
FINAL = frozenset({400, 404, 405, 410, 413, 415, 422})
"""Answers that a second try would not change: gone, or malformed."""
MOST_TRIES = 8
"""For a letter that a server which does answer refuses each time (409, 429, 5xx). 403 is among
them: a server that has just started says it to everybody until it has read the roles. So tries
while it was away do not count: after an outage its first refusal would be the last."""


class Tally(msgspec.Struct):
    """How many letters came to which end."""

    written: int = 0
    retried: int = 0
    dropped: int = 0


class Pace(msgspec.Struct):
    """So many at once, and then so many a second."""

    burst: float
    per_s: float
    _left: float = -1.0
    _seen: float = 0.0

    def wait_s(self, now: float) -> float:
        """Take one and return 0, or return how long until there is one."""
        fresh = self.burst if self._left < 0 else self._left + (now - self._seen) * self.per_s
        self._left, self._seen = min(self.burst, fresh), now
        if self._left < 1:
            return (1 - self._left) / self.per_s
        self._left -= 1
        return 0.0


class Ticket(msgspec.Struct):
    """What somebody who waits for a letter holds."""

    done: threading.Event = msgspec.field(default_factory=threading.Event)
    error: PolypodError | None = None


class _Letter(msgspec.Struct, Generic[Item]):
    item: Item
    due: float
    """Not before that: a moment of the monotonic clock."""
    refusals: int = 0
    tickets: list[Ticket] = msgspec.field(default_factory=list[Ticket])


class Outbox(Generic[Item]):
    """Letters by address, oldest first."""

    def __init__(
        self,
        name: str,
        send: Callable[[Item], None],
        *,
        most: int,
        merge: Callable[[Item, Item], Item] | None = None,
        pace: Pace | None = None,
        backoff: Backoff | None = None,
        rest_s: float = 0.0,
    ) -> None:
        """Prepare; start() begins to send. `merge` makes one of an older and a newer item."""
        self.tally = Tally()
        self._name = name
        self._send = send
        self._most = most
        self._merge: Callable[[Item, Item], Item] = merge or (lambda _older, newer: newer)
        self._pace = pace
        self._backoff = backoff or Backoff(first_s=0.1, most_s=10.0)
        self._waiting: OrderedDict[str, _Letter[Item]] = OrderedDict()
        self._change = threading.Condition()
        self._rest_s = rest_s
        self._is_busy = False
        self._is_closing = False
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin to send in a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """Send what waits, for at most timeout_s; tell whether everything went out."""
        with self._change:
            self._is_closing = True  # nothing rests any more
            self._change.notify_all()
            done = self._change.wait_for(lambda: not self._waiting and not self._is_busy, timeout_s)
            self._is_stopping = True
            self._change.notify_all()
        return done

    @property
    def waiting(self) -> int:
        """Tell how many letters wait."""
        return len(self._waiting)

    def put(self, key: str, item: Item) -> None:
        """Send this, soon; the oldest letter goes when too many wait."""
        with self._change:
            self._put(key, self._letter(item))

    def put_and_wait(self, key: str, item: Item, timeout_s: float) -> None:
        """Send this, and wait until it is there.

        Raises:
            PolypodError: the server refused it, or did not take it in time; it is not sent later.
        """
        ticket = Ticket()
        with self._change:
            self._put(key, self._letter(item, ticket))
        if not ticket.done.wait(timeout_s):
            was_in_the_way = ticket.error
            self._give_up(key, ticket)
            raise was_in_the_way or TryAgainError(
                f"the API server did not take {self._name} in {timeout_s:.0f} s"
            )
        if ticket.error is not None:
            raise ticket.error

    def withdraw(self, key: str) -> None:
        """Do not send what waits for this address."""
        with self._change:
            letter = self._waiting.pop(key, None)
            if letter is not None:
                _settle(letter, None)
            self._change.notify_all()

    def _give_up(self, key: str, ticket: Ticket) -> None:
        """Withdraw a letter that nobody else waits for."""
        with self._change:
            letter = self._waiting.get(key)
            if letter is not None and letter.tickets == [ticket]:
                del self._waiting[key]
                self._change.notify_all()

    def _letter(self, item: Item, *tickets: Ticket) -> _Letter[Item]:
        return _Letter(item, time.monotonic() + self._rest_s, tickets=list(tickets))

    def _put(self, key: str, letter: _Letter[Item]) -> None:
        older = self._waiting.pop(key, None)
        if older is not None:
            letter.item = self._merge(older.item, letter.item)
            letter.tickets += older.tickets
            letter.due = older.due
        self._waiting[key] = letter
        if len(self._waiting) > self._most:
            lost, dropped = self._waiting.popitem(last=False)
            self._drop(
                lost, dropped, TryAgainError(f"too many wait for the API server: {_label(lost)}")
            )
        self._change.notify_all()

    def _run(self) -> None:
        while (taken := self._next()) is not None:
            wait_s = self._try(*taken)
            with self._change:
                self._is_busy = False
                self._change.notify_all()
                if wait_s:
                    self._change.wait_for(lambda: self._is_stopping, wait_s)

    def _next(self) -> tuple[str, _Letter[Item]] | None:
        with self._change:
            self._change.wait_for(lambda: bool(self._waiting) or self._is_stopping)
            while (wait_s := self._rest()) > 0:
                self._change.wait(wait_s)
            while self._pace and (wait_s := self._pace.wait_s(time.monotonic())):
                self._change.wait_for(lambda: self._is_stopping, wait_s)
                if self._is_stopping:
                    break
            if self._is_stopping or not self._waiting:
                return None if self._is_stopping else self._next()
            self._is_busy = True
            return self._waiting.popitem(last=False)

    def _rest(self) -> float:
        """Return how long the oldest letter still rests, in seconds."""
        if self._is_closing or not self._waiting:
            return 0.0
        return next(iter(self._waiting.values())).due - time.monotonic()

    def _try(self, key: str, letter: _Letter[Item]) -> float:
        """Send one letter; return how long to wait before the next, in seconds."""
        try:
            self._send(letter.item)
        except PolypodError as error:
            return self._after(error, key, letter)
        except Exception as error:  # whatever it was, the next letter gets its turn
            log.exception("outbox.broken what=%s key=%s", self._name, _label(key))
            return self._after(_BrokenError(str(error)[:200]), key, letter)
        self._backoff.worked()
        with self._change:
            self.tally.written += 1
            _settle(letter, None)
        return 0.0

    def _after(self, error: PolypodError, key: str, letter: _Letter[Item]) -> float:
        letter.refusals += isinstance(error, ApiError)
        if _is_final(error, letter.refusals):
            with self._change:
                self._drop(key, letter, error)
            return 0.0
        wait_s = self._backoff.failed()
        log.warning(
            "outbox.unsent what=%s key=%s cause=%r wait_s=%.1f",
            *(self._name, _label(key), error.cause, wait_s),
        )
        with self._change:
            self.tally.retried += 1
            for ticket in letter.tickets:
                ticket.error = error  # the newest, for who stops waiting
            newer = self._waiting.get(key)
            if newer is None:
                self._waiting[key] = letter
            else:
                newer.item = self._merge(letter.item, newer.item)
                newer.tickets += letter.tickets
        return wait_s

    def _drop(self, key: str, letter: _Letter[Item], error: PolypodError) -> None:
        self.tally.dropped += 1
        log.warning("outbox.dropped what=%s key=%s cause=%r", self._name, _label(key), error.cause)
        _settle(letter, error)


class _BrokenError(TryAgainError):
    """Our own defect: trying again would not help."""


def _label(key: str) -> str:
    """Return the part of an address that people know: all before a NUL."""
    return key.partition("\0")[0]


def _is_final(error: PolypodError, refusals: int) -> bool:
    """Tell whether another try is in vain: an API server that is away is waited for."""
    if isinstance(error, ApiError):
        return error.status in FINAL or refusals >= MOST_TRIES
    return isinstance(error, _BrokenError)


def _settle(letter: _Letter[Item], error: PolypodError | None) -> None:
    for ticket in letter.tickets:
        ticket.error = error
        ticket.done.set()
