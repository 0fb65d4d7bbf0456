"""STATUS: can this node serve an ADD now? Answered from what is known, in no time."""

from __future__ import annotations

from polypod.cni.request import Request
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError, UnavailableError


def status(request: Request, caller: Caller, doors: Doors) -> None:
    """Return when ADD can be served.

    Raises:
        UnavailableError: the primary's configuration is missing or broken.
    """
    del request, caller
    try:
        doors.networks.primary()
    except PolypodError as error:
        raise UnavailableError(error.cause, hint=error.hint) from error
