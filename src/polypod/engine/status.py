"""STATUS: can this node serve an ADD now? What is built in answers from what is known.

Runtimes ask every few seconds. Other people's plugins in the primary's chain are asked in turn, if
their version knows the question (CNI 1.1.0); what they answer is passed on, code and all.
"""

from __future__ import annotations

from polypod.cni.lists import NetworkList
from polypod.cni.request import Request
from polypod.engine import node_networks, primary_chain, readiness
from polypod.engine.doors import Caller, Doors
from polypod.errors import PolypodError, UnavailableError


def status(request: Request, caller: Caller, doors: Doors) -> None:
    """Return when ADD can be served.

    Raises:
        UnavailableError: the primary is not ready, or its configuration is missing or broken.
        ForeignError: a plugin of the primary's says that it cannot.
    """
    del caller
    readiness.check(doors)
    primary = _primary(doors)
    if primary is not None:
        primary_chain.ask("STATUS", primary, request, doors)


def _primary(doors: Doors) -> NetworkList | None:
    try:
        return node_networks.cluster_network(doors)
    except PolypodError as error:
        raise UnavailableError(error.cause, hint=error.hint) from error
