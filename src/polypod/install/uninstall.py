"""The DaemonSet, or the Job for one node, that runs `polypod uninstall` where an agent could not.

On the host's network and without a service account: a node that Polypod broke can still run it.
The work is an init container's; the container after it only waits, so that a DaemonSet that is
ready has done its work on every node.
"""

from __future__ import annotations

from collections.abc import Sequence

from polypod.install import agent
from polypod.install.render import text
from polypod.install.values import Values

NAME = "polypod-uninstall"
HEAD = "# Rendered by `polypod uninstall render`; do not edit, render again.\n"
WAIT = "import signal; signal.sigwait({signal.SIGTERM})"


def plain(values: Values, *, node: str = "", purge: bool = False, unless_used: bool = False) -> str:
    """Return everything for `kubectl apply -f`; with a node's name, a Job for that node."""
    given = {"--purge": purge, "--unless-used": unless_used}
    more = [option for option, is_given in given.items() if is_given]
    thing = job(values, node, more) if node else daemon_set(values, more)
    return HEAD + text([agent.namespace(values), thing])


def daemon_set(values: Values, more: Sequence[str]) -> dict[str, object]:
    """Return the DaemonSet that repairs every node and then waits."""
    return once(values, NAME, [*_uninstall(values), *more])


def once(values: Values, name: str, arguments: Sequence[str]) -> dict[str, object]:
    """Return a DaemonSet that runs the command line once on every node, and then waits."""
    labels = {"app.kubernetes.io/name": name}
    waiting: dict[str, object] = {
        "name": "done",
        "image": values.image,
        "imagePullPolicy": values.pull_policy,
        "command": ["/usr/bin/python3", "-c", WAIT],
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}},
        "securityContext": {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        **_pod(values),
        "initContainers": [_worker(values, arguments)],
        "containers": [waiting],
        "terminationGracePeriodSeconds": 5,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": name, "namespace": values.namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def job(values: Values, node: str, more: Sequence[str]) -> dict[str, object]:
    """Return the Job that repairs one node; it goes an hour after its end."""
    pod = {
        **_pod(values),
        "nodeName": node,
        "restartPolicy": "Never",
        "containers": [_worker(values, [*_uninstall(values), *more])],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{NAME}-{node}"[:63].rstrip("-."), "namespace": values.namespace},
        "spec": {
            "backoffLimit": 2,
            "ttlSecondsAfterFinished": 3600,
            "template": {"spec": pod},
        },
    }


def _uninstall(values: Values) -> list[str]:
    platform = values.platform
    return [
        "uninstall",
        f"--conf-dir={platform.cni_conf}",
        f"--shim-dir={platform.cni_bin}",
        f"--runtime-mounts={platform.runtime_socket}",
        "--detach",
    ]


def _pod(values: Values) -> dict[str, object]:
    return {
        "automountServiceAccountToken": False,
        "hostNetwork": True,
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [
            {"name": name, "hostPath": {"path": path} | ({"type": kind} if kind else {})}
            for name, path, _, kind in _folders(values)
        ],
    }


def _worker(values: Values, arguments: Sequence[str]) -> dict[str, object]:
    return {
        "name": "work",
        "image": values.image,
        "imagePullPolicy": values.pull_policy,
        "args": list(arguments),
        "env": [{"name": "POLYPOD_PROC_SYS", "value": agent.SYSCTL}],
        "securityContext": {
            "runAsUser": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": list(agent.CAPABILITIES)},
        },
        "volumeMounts": [
            {"name": name, "mountPath": inside}
            | ({"mountPropagation": "HostToContainer"} if path == agent.SANDBOXES else {})
            for name, path, inside, _ in _folders(values)
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _folders(values: Values) -> tuple[tuple[str, str, str, str], ...]:
    """Return (volume, place on the node, place in the container, kind of hostPath)."""
    make = "DirectoryOrCreate"
    platform = values.platform
    return (
        ("shim", platform.cni_bin, platform.cni_bin, make),
        ("conf", platform.cni_conf, platform.cni_conf, ""),
        # Whose mounts foreign plugins run in, as with the agent.
        ("runtime", platform.runtime_socket, platform.runtime_socket, "Socket"),
        ("socket", "/run/polypod", "/run/polypod", make),
        ("state", "/var/lib/polypod", "/var/lib/polypod", make),
        ("leases", "/var/lib/cni", "/var/lib/cni", make),
        ("run-leases", "/run/cni", "/run/cni", make),
        # Nobody hands over descriptors of sandboxes here, as the shim does: paths are entered.
        ("sandboxes", agent.SANDBOXES, agent.SANDBOXES, make),
        ("device-info", agent.DEVICE_INFO, agent.DEVICE_INFO, ""),
        ("sysctl", "/proc/sys", agent.SYSCTL, "Directory"),
    )
