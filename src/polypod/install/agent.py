"""The DaemonSet: one agent a node, uid 0 with four capabilities, everything else taken away.

Why each capability, mount and number is there is said beside it; the ADR on privileges has what was
tried on a real cluster.
"""

from __future__ import annotations

from polypod.install import settings
from polypod.install.values import Values

SYSCTL = "/host/proc/sys"
"""Where the container sees a /proc/sys that can be written."""
PLUGIN_STORE = "plugin-store"
"""The volume of the folder that links in the plugin folder point into."""
KUBELET = "/var/lib/kubelet"
"""Where the agent sees the kubelet's folders, wherever they are on the node."""
DEVICE_INFO = "/var/run/k8s.cni.cncf.io"
SANDBOXES = "/run/netns"
"""Where runtimes keep sandboxes' network namespaces."""
SANDBOXES_SEEN = f"/host{SANDBOXES}"
"""Where the container sees their names."""
READ_ONLY = frozenset({"pod-resources", "device-plugins", "sandboxes"})
"""Folders that are the kubelet's and the runtime's: asked and read, never written."""
STAND_BY_S = 60
"""How long a new agent waits for the old one of its node to let go."""
CAPABILITIES = (
    "NET_ADMIN",  # links, addresses, routes, rules, nft, sysctls of a network namespace
    "SYS_ADMIN",  # setns into a pod's network namespace, and into the runtime's mounts
    "SYS_CHROOT",  # setns into the runtime's mounts, where foreign plugins find their programs
    "SYS_PTRACE",  # the same: that namespace is reached through the runtime's process
)


def namespace(values: Values) -> dict[str, object]:
    """Return the agent's namespace; host folders and network need the privileged profile."""
    level = "privileged"
    labels = {f"pod-security.kubernetes.io/{mode}": level for mode in ("enforce", "audit", "warn")}
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": values.namespace, "labels": labels},
    }


def daemon_set(values: Values) -> dict[str, object]:
    """Return the DaemonSet."""
    labels = {"app.kubernetes.io/name": values.name}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": values.name, "namespace": values.namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            # The new pod is up and asks for the hand-over before the old one goes.
            "updateStrategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "template": {
                "metadata": {"labels": labels, "annotations": settings.pod_annotations(values)},
                "spec": _pod(values),
            },
        },
    }


def _pod(values: Values) -> dict[str, object]:
    return {
        "serviceAccountName": values.name,
        "hostNetwork": True,
        "dnsPolicy": "ClusterFirstWithHostNet",
        "priorityClassName": "system-node-critical",
        "tolerations": [{"operator": "Exists"}],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "terminationGracePeriodSeconds": 30,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(values)],
        "volumes": _volumes(values),
    }


def _container(values: Values) -> dict[str, object]:
    return {
        "name": "agent",
        "image": values.image,
        "imagePullPolicy": values.pull_policy,
        "args": _arguments(values),
        "env": _environment(values),
        "resources": {"requests": dict(values.requests), "limits": dict(values.limits)},
        "securityContext": {
            "runAsUser": 0,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"], "add": list(CAPABILITIES)},
            # The runtime's default profile forbids writes below /proc/sys/net, by path.
            "appArmorProfile": {"type": "Unconfined"},
            # The shim, in the runtime's domain, connects to the agent's socket.
            "seLinuxOptions": {"type": "spc_t"},
        },
        # Until this agent owns its node, the health page that is heard is the former agent's.
        "startupProbe": {
            "exec": {"command": ["/usr/bin/python3", "-I", "-m", "polypod.daemon.owning"]},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 2 * STAND_BY_S,
        },
        "readinessProbe": _probe("readyz", values, period_s=2),
        "livenessProbe": _probe("healthz", values, period_s=10),
        "volumeMounts": _mounts(values),
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _arguments(values: Values) -> list[str]:
    return [
        "daemon",
        "--in-cluster",
        f"--config={settings.FOLDER}/{settings.FILE}",
        f"--shim-dir={values.platform.cni_bin}",
        f"--conf-dir={values.platform.cni_conf}",
        # Its mounts for foreign plugins; every folder is named, so it is only compared with.
        f"--runtime-socket={values.platform.runtime_socket}",
        f"--stand-by={STAND_BY_S}",
        f"--metrics=$(NODE_IP):{values.metrics_port}",
    ]


def _environment(values: Values) -> list[dict[str, object]]:
    words: list[dict[str, object]] = [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (
            ("NODE_NAME", "spec.nodeName"),
            ("NODE_IP", "status.hostIP"),
            ("POD_NAMESPACE", "metadata.namespace"),
        )
    ]
    words.append({"name": "DAEMON_SET", "value": values.name})
    words.append({"name": "POLYPOD_PROC_SYS", "value": SYSCTL})
    if values.platform.api_host:
        words.append({"name": "KUBERNETES_SERVICE_HOST", "value": values.platform.api_host})
        words.append({"name": "KUBERNETES_SERVICE_PORT", "value": values.platform.api_port})
    return words


def _probe(path: str, values: Values, *, period_s: int) -> dict[str, object]:
    return {
        "httpGet": {"path": f"/{path}", "port": values.metrics_port},
        "periodSeconds": period_s,
        "timeoutSeconds": 3,
        "failureThreshold": 3,
    }


def _folders(values: Values) -> tuple[tuple[str, str, str, str], ...]:
    """Return (volume, place on the node, place in the container, kind of hostPath)."""
    make = "DirectoryOrCreate"
    platform = values.platform
    return (
        # The node's own paths: what a configuration names is found where it says.
        ("shim", platform.cni_bin, platform.cni_bin, make),
        # No kind: where /etc is read-only to the kubelet, its own check would fail (Talos).
        ("conf", platform.cni_conf, platform.cni_conf, ""),
        # Whose mounts foreign plugins run in, when no pod's call asks for them (a kept DEL).
        ("runtime", platform.runtime_socket, platform.runtime_socket, "Socket"),
        ("socket", "/run/polypod", "/run/polypod", make),
        ("state", "/var/lib/polypod", "/var/lib/polypod", make),
        # Leases lie where the reference's host-local has them, so that both can share a node.
        ("leases", "/var/lib/cni", "/var/lib/cni", make),
        ("run-leases", "/run/cni", "/run/cni", make),
        # The runtime mounts /proc/sys read-only; this view of it is writable, per namespace.
        ("sysctl", "/proc/sys", SYSCTL, "Directory"),
        # Which sandboxes ended while no agent was there: their names are gone.
        ("sandboxes", SANDBOXES, SANDBOXES_SEEN, make),
        # Which devices the kubelet gave to a pod: its socket, and what it keeps on disk.
        ("pod-resources", f"{platform.kubelet}/pod-resources", f"{KUBELET}/pod-resources", make),
        # The latter is in one place wherever the kubelet's own folder is.
        ("device-plugins", f"{KUBELET}/device-plugins", f"{KUBELET}/device-plugins", make),
        # What device plugins tell of a device, and a copy for each attachment. No kind, as above.
        ("device-info", DEVICE_INFO, DEVICE_INFO, ""),
    )


def mounted(values: Values) -> tuple[str, ...]:
    """Return the node's folders that the agent sees anyway, where the node has them."""
    return tuple(path for _, path, inside, _ in _folders(values) if path == inside)


def _volumes(values: Values) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [
        {"name": name, "hostPath": {"path": path} | ({"type": kind} if kind else {})}
        for name, path, _, kind in _folders(values)
    ]
    store = values.platform.plugin_store
    if store:
        path = {"path": store, "type": "Directory"}
        found.append({"name": PLUGIN_STORE, "hostPath": path})
    return [*found, *settings.volumes(values)]


def _mounts(values: Values) -> list[dict[str, object]]:
    found = [_mount(name, inside) for name, _, inside, _ in _folders(values)]
    store = values.platform.plugin_store
    if store:  # a plugin that is a link into it is found only if its end is seen
        found.insert(0, {"name": PLUGIN_STORE, "mountPath": store, "readOnly": True})
    return [*found, *settings.mounts(values)]


def _mount(name: str, inside: str) -> dict[str, object]:
    found: dict[str, object] = {"name": name, "mountPath": inside}
    if name in READ_ONLY:
        found["readOnly"] = True
    if inside == SANDBOXES_SEEN:  # what the runtime ends must not live on in the agent's mounts
        found["mountPropagation"] = "HostToContainer"
    return found
