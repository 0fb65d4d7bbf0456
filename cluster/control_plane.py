"""etcd and the control plane: API server, controller manager, scheduler."""

from __future__ import annotations

import json
from pathlib import Path

from cluster import pki, processes
from cluster.place import API_PORT, ETCD_PORT, FIRST_SERVICE, NODE_ADDRESS, SERVICES, Place

AGENTS = "system:serviceaccounts:polypod-system"
"""The group of every agent's identity."""


def start_etcd(place: Place) -> None:
    """Start etcd, without fsync: its data lives as long as the test."""
    clients, peers = f"http://127.0.0.1:{ETCD_PORT}", f"http://127.0.0.1:{ETCD_PORT + 1}"
    processes.start(
        place,
        "etcd",
        [
            "etcd",
            f"--data-dir={place.root / 'etcd'}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            "--unsafe-no-fsync",
        ],
    )


def start_api_server(place: Place) -> None:
    """Start the API server and wait until it is ready."""
    folder = place.pki
    processes.start(
        place,
        "kube-apiserver",
        [
            place.program("kube-apiserver"),
            f"--etcd-servers=http://127.0.0.1:{ETCD_PORT}",
            f"--secure-port={API_PORT}",
            "--bind-address=0.0.0.0",
            f"--advertise-address={NODE_ADDRESS}",
            f"--tls-cert-file={folder / 'server.crt'}",
            f"--tls-private-key-file={folder / 'server.key'}",
            f"--client-ca-file={folder / 'ca.crt'}",
            f"--token-auth-file={folder / 'tokens.csv'}",
            "--authorization-mode=Node,RBAC",
            "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={SERVICES}",
            "--allow-privileged",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={folder / 'accounts.pub'}",
            f"--service-account-signing-key-file={folder / 'accounts.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
            f"--kubelet-client-key={folder / 'kubelet-client.key'}",
            "--runtime-config=resource.k8s.io/v1=true",
            f"--audit-policy-file={_write_audit_policy(place)}",
            f"--audit-log-path={place.audit}",
        ],
    )
    processes.wait(
        place,
        "API server",
        lambda: processes.succeeds(
            place,
            [place.program("kubectl"), "get", "--raw", "/readyz"],
            {"KUBECONFIG": str(pki.kubeconfig(folder, "admin"))},
        ),
    )


def _write_audit_policy(place: Place) -> Path:
    """Have the requests of agents written down, and nobody else's."""
    path = place.root / "audit.json"
    told = {"level": "Metadata", "userGroups": [AGENTS], "omitStages": ["RequestReceived"]}
    policy = {
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "rules": [told, {"level": "None"}],
    }
    path.write_text(json.dumps(policy), encoding="utf-8")
    return path


def start_controllers(place: Place) -> None:
    """Start the controller manager and the scheduler."""
    folder = place.pki
    processes.start(
        place,
        "kube-controller-manager",
        [
            place.program("kube-controller-manager"),
            f"--kubeconfig={pki.kubeconfig(folder, 'controller-manager')}",
            "--use-service-account-credentials",
            f"--service-account-private-key-file={folder / 'accounts.key'}",
            f"--root-ca-file={folder / 'ca.crt'}",
            "--leader-elect=false",
            f"--cluster-signing-cert-file={folder / 'ca.crt'}",
            f"--cluster-signing-key-file={folder / 'ca.key'}",
        ],
    )
    processes.start(
        place,
        "kube-scheduler",
        [
            place.program("kube-scheduler"),
            f"--kubeconfig={pki.kubeconfig(folder, 'scheduler')}",
            "--leader-elect=false",
        ],
    )


def make_credentials(place: Place) -> None:
    """Make certificates and kubeconfigs unless they are there."""
    if not (place.pki / "ca.crt").exists():
        pki.make(place.pki, place.server, ("127.0.0.1", FIRST_SERVICE, NODE_ADDRESS))
