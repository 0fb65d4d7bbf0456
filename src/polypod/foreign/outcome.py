"""Reads what a foreign plugin's run came to: its result, or its error in its own words."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from enum import Enum

from polypod.cni import fields
from polypod.cni.quote import quoted
from polypod.errors import DecodeError, ForeignError, NotStartedError

log = logging.getLogger("polypod.foreign")
_SHOWN = 400


class Ended(Enum):
    """How a run ended."""

    EXITED = "exited"
    SIGNALLED = "signalled"
    NOT_STARTED = "not started"
    TIMED_OUT = "timed out"
    TOO_MUCH_OUTPUT = "too much output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One finished run."""

    ended: Ended
    number: int = 0
    """Exit status, signal or errno, as `ended` says."""
    stdout: bytes = b""
    stderr: bytes = b""


def read(type_: str, outcome: Outcome) -> bytes:
    """Return stdout of a successful run.

    Raises:
        NotStartedError: it never ran.
        ForeignError: it failed, with its own code, msg and details where it gave them.
    """
    told = outcome.stderr.decode(errors="replace").strip()[:_SHOWN]
    if told:
        log.info("plugin.stderr type=%s text=%r", type_, told)
    if outcome.ended is Ended.EXITED and outcome.number == 0:
        return outcome.stdout
    status = _status(outcome)
    if outcome.ended is Ended.NOT_STARTED:
        raise NotStartedError(f'plugin "{type_}": {status}')
    if outcome.ended is not Ended.EXITED:
        raise ForeignError(f'plugin "{type_}": {status}')
    if not outcome.stdout.strip():
        told = outcome.stderr.decode(errors="replace")[:_SHOWN]
        if told:
            raise ForeignError(f"netplugin failed: {quoted(told)}")
        raise ForeignError(f"netplugin failed with no error message: {status}")
    try:
        said = fields.decode_object(outcome.stdout, "error")
        code = fields.number(said, "code")
        text, details = fields.text(said, "msg"), fields.text(said, "details")
    except DecodeError as error:
        raise ForeignError(
            "netplugin failed but error parsing its diagnostic message"
            f" {quoted(outcome.stdout[:_SHOWN].decode(errors='replace'))}: {error.cause}"
        ) from error
    raise ForeignError(text or status, details=details, code=code or 999)


def _status(outcome: Outcome) -> str:
    match outcome.ended:
        case Ended.EXITED:
            return f"exit status {outcome.number}"
        case Ended.SIGNALLED:
            return f"killed by signal {outcome.number}"
        case Ended.NOT_STARTED:
            return f"could not be started: {os.strerror(outcome.number)}"
        case Ended.TIMED_OUT | Ended.TOO_MUCH_OUTPUT:
            return str(outcome.ended.value)
