"""Bytes of the API server as values: whatever is wrong with them is one kind of error."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import msgspec

from polypod.errors import DecodeError

Value = TypeVar("Value")
HINT = "look at the object with `kubectl get -o yaml`; a proxy in between may answer for the server"


def read(decode: Callable[[bytes], Value], raw: bytes | msgspec.Raw, what: str) -> Value:
    """Return what the bytes say; `what` is the object in the words of an error.

    Raises:
        DecodeError: they are no JSON, of other types than the API's, or nested without end.
    """
    try:
        return decode(bytes(raw))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DecodeError(f"API server: {what} is not readable: {_why(error)}", hint=HINT) from None
    except RecursionError:
        raise DecodeError(f"API server: {what} is nested too deeply", hint=HINT) from None


def _why(error: msgspec.DecodeError | UnicodeDecodeError) -> str:
    """Say what was expected where; the words never hold a part of the object."""
    return "no UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)[:200]
