"""What repairs nodes as a DaemonSet or a Job: no right at the API server, no pod network needed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from polypod.install import agent, uninstall
from polypod.install.values import Values

VALUES = Values(image="registry.example/polypod:1")


def thing(**choice: Any) -> dict[str, Any]:
    """Return what is applied after the namespace."""
    namespace, found = yaml.safe_load_all(uninstall.plain(VALUES, **choice))
    assert namespace["kind"] == "Namespace"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    return dict(found)


def test_every_node_is_repaired_before_the_daemon_set_counts_as_ready() -> None:
    found = thing()

    pod = found["spec"]["template"]["spec"]
    (worker,), (waiting,) = pod["initContainers"], pod["containers"]
    assert found["kind"] == "DaemonSet"
    assert worker["args"] == [
        "uninstall",
        "--conf-dir=/etc/cni/net.d",
        "--shim-dir=/opt/cni/bin",
        "--runtime-mounts=/run/containerd/containerd.sock",
        "--detach",
    ]
    assert "volumeMounts" not in waiting
    assert waiting["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_one_node_is_repaired_by_a_job_that_is_bound_to_it() -> None:
    found = thing(node="worker-7.example", purge=True)

    pod = found["spec"]["template"]["spec"]
    assert found["kind"] == "Job"
    assert found["metadata"]["name"] == "polypod-uninstall-worker-7.example"
    assert pod["nodeName"] == "worker-7.example"
    assert pod["restartPolicy"] == "Never"
    assert pod["containers"][0]["args"][-1] == "--purge"


@pytest.mark.parametrize("choice", [{}, {"node": "n"}], ids=["all nodes", "one"])
def test_it_has_no_more_rights_than_the_agent(choice: dict[str, Any]) -> None:
    pod = thing(**choice)["spec"]["template"]["spec"]

    worker = (pod.get("initContainers") or pod["containers"])[0]
    assert pod["automountServiceAccountToken"] is False
    assert pod["hostNetwork"] is True
    assert pod["tolerations"] == [{"operator": "Exists"}]
    assert worker["securityContext"]["capabilities"]["add"] == list(agent.CAPABILITIES)
    assert worker["securityContext"]["readOnlyRootFilesystem"] is True
    assert "privileged" not in str(worker)


def test_sandboxes_are_seen_as_the_node_has_them() -> None:
    pod = thing()["spec"]["template"]["spec"]

    mounts = {m["name"]: m for m in pod["initContainers"][0]["volumeMounts"]}
    assert mounts["sandboxes"] == {
        "name": "sandboxes",
        "mountPath": "/run/netns",
        "mountPropagation": "HostToContainer",
    }
    assert {v["name"] for v in pod["volumes"]} == set(mounts)


def test_plugins_of_the_host_run_in_its_runtimes_mounts() -> None:
    pod = thing()["spec"]["template"]["spec"]

    volumes = [volume for volume in pod["volumes"] if volume["name"] == "runtime"]
    assert volumes == [
        {
            "name": "runtime",
            "hostPath": {"path": "/run/containerd/containerd.sock", "type": "Socket"},
        }
    ]
