"""Whether this daemon is stopping for good: its DaemonSet is gone, or only its process.

Asked at SIGTERM. 404 or a deletionTimestamp mean uninstall. So do 401 and 403: Helm removes
roles first, and a daemon that may not ask any more has been taken its rights (docs/adr). When a
namespace is deleted its pods go before its DaemonSets, so that is asked for too. Silence means
stay: an API server that is away is no reason to change a node.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping

import msgspec

from polypod.errors import ApiError, PolypodError
from polypod.kube.client import METADATA, Client, Query

log = logging.getLogger("polypod.daemon")
ASK_S = 3.0
AGAIN_S = 2.0
GONE = frozenset({401, 403, 404})
REFUSED = frozenset({401, 403})
"""Asked for twice: a server that has just started refuses everybody until it has read the roles."""


class _Meta(msgspec.Struct):
    deletionTimestamp: str | None = None  # noqa: N815 - the API's word


class _Object(msgspec.Struct):
    metadata: _Meta


def is_for_good(
    client: Client, environment: Mapping[str, str] = os.environ, *, again_s: float = AGAIN_S
) -> bool:
    """Tell whether the DaemonSet that runs us is gone or going."""
    namespace, name = environment.get("POD_NAMESPACE", ""), environment.get("DAEMON_SET", "")
    if not namespace or not name:
        return False
    status, is_gone = _look(client, namespace, name)
    if status in REFUSED:
        time.sleep(again_s)
        _, is_gone = _look(client, namespace, name)
    return is_gone


def _look(client: Client, namespace: str, name: str) -> tuple[int, bool]:
    """Ask once; return the status of a refusal, and whether it means that we are to leave."""
    query = Query(path=f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}", accept=METADATA)
    try:
        raw = client.get(query, timeout_s=ASK_S)
        found = msgspec.json.decode(raw, type=_Object)
    except ApiError as error:
        log.info("daemon.leaving status=%d", error.status)
        return error.status, error.status in GONE
    except (PolypodError, msgspec.DecodeError) as error:
        log.warning("daemon.leaving_unasked cause=%r", str(error))
        return 0, False
    is_going = found.metadata.deletionTimestamp is not None
    return 0, is_going or _is_ending(client, namespace, name)


def _is_ending(client: Client, namespace: str, name: str) -> bool:
    """Tell whether our namespace is going: it takes no new object then, which a dry run finds out.

    The agent may not read the namespace itself; events it may create.
    """
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{name}-", "namespace": namespace},
        "involvedObject": {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "namespace": namespace,
            "name": name,
        },
        "reason": "Leaving",
        "type": "Normal",
    }
    query = Query(path=f"/api/v1/namespaces/{namespace}/events", parameters=(("dryRun", "All"),))
    try:
        client.send("POST", query, msgspec.json.encode(event), timeout_s=ASK_S)
    except ApiError as error:
        log.info("daemon.leaving status=%d", error.status)
        return error.status in GONE
    except PolypodError as error:
        log.warning("daemon.leaving_unasked cause=%r", str(error))
    return False
