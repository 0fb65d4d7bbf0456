"""An agent that starts while the API server is away attaches the pods that it knew before."""

from __future__ import annotations

import os
import signal
import socket

import pytest
from cluster import processes
from tests.cluster import agent
from tests.cluster.kube import Kube, bridge, pod, soon
from tests.cluster.test_outages import end_sandbox, made_again, records
from tests.cluster.traces import STATE

from polypod.daemon.options import SOCKET

KNOWN = STATE / "last-known.json"


def serves() -> bool:
    """Tell whether an agent takes calls: a DEL that is kept instead finds no namespace later.

    The primary's plugin, the reference's, then leaves its masquerading behind.
    """
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(SOCKET))
        except OSError:
            return False
    return True


@pytest.mark.usefixtures("silence")
def test_a_pods_new_sandbox_gets_its_networks_from_an_agent_that_finds_no_api_server(
    kube: Kube, namespace: str
) -> None:
    agent.renew(kube)
    kube.apply(bridge(namespace, "known", "10.91.0.0/24"), pod(namespace, "known", "known"))
    kube.wait_ready(namespace, "known")
    first = records(namespace, "known")
    soon(lambda: KNOWN.exists() and namespace in KNOWN.read_text(), "what is known, on disk")

    processes.stop(kube.place, "kube-apiserver", signal.SIGKILL)
    before = agent.pid()
    os.kill(before, signal.SIGKILL)
    soon(lambda: agent.pids() not in ([], [before]) and serves(), "another agent", 60)
    end_sandbox(kube, first[0].container_id)
    soon(lambda: len(made_again(namespace, first)) == 2, "a new sandbox, attached", 60)

    again = made_again(namespace, first)
    assert {record.ifname for record in again} == {"eth0", "net1"}
    assert {record.pod_uid for record in again} == {first[0].pod_uid}
