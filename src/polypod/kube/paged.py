"""A collection, page by page: however a server pages, and however much it would like to send.

Nobody holds more than a page. A page that is too long is asked for again with fewer objects; a
server that never comes to an end is left.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from polypod.errors import DecodeError
from polypod.kube import reading
from polypod.kube.client import Client, Query, TooLongError

PAGE_S = 30.0
MOST_PAGES = 10_000
FEWER = 10
"""A page that is too long is asked for with so many times fewer objects."""


class _Meta(msgspec.Struct):
    resourceVersion: str | None = ""  # noqa: N815 - the API's word
    next: str | None = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _Meta
    items: list[msgspec.Raw] | None = None


_decode_list = msgspec.json.Decoder(_List).decode


class Pages:
    """One reading of a collection, from its beginning to its end."""

    def __init__(
        self, client: Client, query: Query, *, limit: int, most_pages: int = MOST_PAGES
    ) -> None:
        """Keep what is asked; limit 0 asks for everything in one answer."""
        self._most_pages = most_pages
        self._client = client
        self._query = query
        self._limit = limit
        self.version = ""
        """The resourceVersion of the whole, once everything was read."""

    def objects(self) -> Iterator[msgspec.Raw]:
        """Yield every object.

        Raises:
            ApiError: the server refused; 410 when a page came too late.
            DecodeError: the answer makes no sense, or never ends.
            TryAgainError: the server cannot be reached.
        """
        token = ""
        for _ in range(self._most_pages):
            page = self._page(token)
            yield from page.items or ()
            before, token = token, page.metadata.next or ""
            if not token:
                self.version = page.metadata.resourceVersion or ""
                return
            if token == before:
                break
        raise DecodeError(
            f"API server: the list of {self._query.path} does not come to an end",
            hint="look at what answers between this node and the API server",
        )

    def _page(self, token: str) -> _List:
        while True:
            try:
                raw = self._client.get(self._asked(token), timeout_s=PAGE_S)
            except TooLongError:
                if self._limit <= 1:
                    raise
                self._limit //= FEWER
                self._limit = max(1, self._limit)
                continue
            return reading.read(_decode_list, raw, f"a list of {self._query.path}")

    def _asked(self, token: str) -> Query:
        more = [("limit", str(self._limit))] if self._limit else []
        more += [("continue", token)] if token else []
        return Query(
            path=self._query.path,
            parameters=(*self._query.parameters, *more),
            accept=self._query.accept,
        )
