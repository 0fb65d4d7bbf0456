"""Remembers what short texts came to: the pods of a node have the same few networks.

A long text is read again each time: whoever may write definitions could otherwise fill the
daemon's memory with what it remembers of them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Concatenate, ParamSpec, TypeVar

LIMIT = 16 << 10
"""Bytes, or characters: many times what a network's configuration has."""

Text = TypeVar("Text", str, bytes)
Rest = ParamSpec("Rest")
Found = TypeVar("Found")


def if_short(
    read: Callable[Concatenate[Text, Rest], Found],
) -> Callable[Concatenate[Text, Rest], Found]:
    """Remember what a function makes of its first argument, a text, and of the others."""
    remembered = lru_cache(maxsize=128)(read)

    @wraps(read)
    def found(text: Text, /, *others: Rest.args, **named: Rest.kwargs) -> Found:
        if len(text) > LIMIT:
            return read(text, *others, **named)
        return remembered(text, *others, **named)  # type: ignore[arg-type]

    return found
